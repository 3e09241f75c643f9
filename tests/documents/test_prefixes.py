"""Documents that begin alike: found by their contexts, and drawn together without regard to what follows."""

from cornerstone.documents.document import Document, Request, document_ids
from cornerstone.documents.prefixes import Prefix, draw_ids, drawn_together, shared_prefixes

SHOTS = "Question: what is one and one? Answer: two. Question: what is two and two? Answer: four. "
PASSAGE = "A long passage on whales, which are no fish although they live in the sea. "


def documents(*contexts):
    return [
        Document(index, (Request(context, " yes"), Request(context, " no")), (0,), (3, 2))
        for index, context in enumerate(contexts)
    ]


FEW_SHOTS = documents(*(f"{SHOTS}Question: what is {n} and one?" for n in range(7)))


def test_fixed_examples_are_a_prefix_of_all_documents():
    (prefix,) = shared_prefixes(FEW_SHOTS)
    assert prefix == Prefix(tuple(range(7)), len(f"{SHOTS}Question: what is "))


def test_a_passage_that_is_asked_about_twice_is_found_wherever_its_questions_stand():
    asked = documents(
        PASSAGE + "Are they fish?", "Something else altogether?", PASSAGE + "Do they live there?"
    )
    assert shared_prefixes(asked) == [Prefix((0, 2), len(PASSAGE))]


def test_documents_with_little_in_common_are_none():
    assert (
        shared_prefixes(documents("Question: is it so?", "Question: will there ever be an end of it all?"))
        == []
    )
    assert shared_prefixes(documents("", "")) == []
    assert shared_prefixes([]) == []


def test_each_document_is_alone_unless_asked():
    assert drawn_together(FEW_SHOTS, 1) == [(n,) for n in range(7)]
    assert draw_ids(FEW_SHOTS, drawn_together(FEW_SHOTS, 1)) == document_ids(FEW_SHOTS)


def test_more_documents_leave_the_draws_of_the_others_as_they_were():
    assert drawn_together(FEW_SHOTS, 3) == [(0, 1, 2), (3, 4, 5), (6,)]
    few, more = (draw_ids(some, drawn_together(some, 3)) for some in (FEW_SHOTS[:5], FEW_SHOTS))
    assert all(more[index] == drawn for index, drawn in few.items())
    assert len(set(more.values())) == 3 and set(more.values()) <= set(document_ids(FEW_SHOTS).values())


def test_documents_that_begin_otherwise_stay_alone_among_the_others():
    mixed = [*FEW_SHOTS[:2], Document(7, (Request("Who?", " I"),), (0,), (1,)), *FEW_SHOTS[2:4]]
    assert drawn_together(mixed, 4) == [(0, 1, 3, 4), (2,)]
