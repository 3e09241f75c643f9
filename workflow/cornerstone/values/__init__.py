"""From log-likelihoods to numbers: scores, effects, values, interactions and their audit."""
