"""Chat templates as models on the hub have them, awkward ones among them, each with a tokenizer that it goes with."""

from __future__ import annotations

QWEN = "qwen"
LLAMA3 = "llama3"
MIXTRAL = "mixtral"

SIMPLE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
DEFAULT_SYSTEM_AND_TOOLS = (
    "{%- if tools %}<|im_start|>system\nTools: {{ tools | tojson }}<|im_end|>\n"
    "{%- elif messages[0].role == 'system' %}<|im_start|>system\n{{ messages[0].content }}<|im_end|>\n"
    "{%- else %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{%- endif %}"
    "{%- for message in messages %}{%- if message.role != 'system' %}"
    "{{- '\n<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '\n<|im_start|>assistant\n' }}{%- endif %}"
)
BOS_AND_STRIPPED = (
    "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message.role }}<|end_header_id|>\n\n"
    "{{ message.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
NO_SYSTEM_AND_ALTERNATING = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'].strip() + eos_token }}{% endif %}{% endfor %}"
)
ENDS_FIRST = (
    "{{ eos_token }}{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
DATED = (
    "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
    '<|im_start|>system\nToday: {{ date_string }}, {{ strftime_now("%Y-%m-%d") }}<|im_end|>\n' + SIMPLE
)
THINKING = SIMPLE + (
    "{% if add_generation_prompt and enable_thinking is defined and enable_thinking is false %}"
    "{{- '<think>\n\n</think>\n\n' }}{% endif %}"
)

TEMPLATES = {
    "simple": (QWEN, SIMPLE),
    "default system, tools": (QWEN, DEFAULT_SYSTEM_AND_TOOLS),
    "BOS, stripped": (LLAMA3, BOS_AND_STRIPPED),
    "no BOS, added by the tokenizer": (LLAMA3, SIMPLE),
    "no system, alternating": (MIXTRAL, NO_SYSTEM_AND_ALTERNATING),
    "EOS first": (QWEN, ENDS_FIRST),
}
