"""The token tree: every request is read off a path of it, and nothing is held twice."""

from hypothesis import given
from hypothesis import strategies as st

from cornerstone.engine.token_tree import PLAIN, ROOT, TREE, plain_rows, rows_of, tree_row
from cornerstone.loading.encoding import EncodedDocument, EncodedRequest

# Few different tokens, so that requests share prefixes, or are prefixes of each other, or are equal.
TOKENS = st.integers(0, 2)


@st.composite
def requests(draw):
    tokens = draw(st.lists(TOKENS, min_size=1, max_size=7))
    # The targets are the tokens after each of the last positions; the last target is in no input.
    count = draw(st.integers(1, len(tokens)))
    last = draw(TOKENS)
    return EncodedRequest(tuple(tokens), (*tokens[len(tokens) - count + 1 :], last))


@st.composite
def documents(draw):
    found = tuple(draw(st.lists(requests(), min_size=1, max_size=6)))
    return EncodedDocument(3, found, (0,), (1,) * len(found), "")


def path_to(row, node):
    """The nodes from the root to a node."""
    path = []
    while node != ROOT:
        path.append(node)
        node = row.parents[node]
    return path[::-1]


def prefixes(document):
    return {r.tokens[:end] for r in document.requests for end in range(1, len(r.tokens) + 1)}


def assert_reads_its_request(rows, request, number):
    """Some row scores the request's targets, each after the tokens that stand before it."""
    scored = [(row, one) for row in rows for one in row.scored if one.choice == number]
    assert [one.target for _, one in scored] == list(request.targets)
    assert len({id(row) for row, _ in scored}) == 1
    for place, (row, one) in enumerate(scored):
        end = len(request.tokens) - len(request.targets) + place + 1
        assert tuple(row.tokens[node] for node in path_to(row, one.node)) == request.tokens[:end]


@given(documents())
def test_every_request_is_read_off_a_path_of_the_tree(document):
    row = tree_row(0, document)
    for number, request in enumerate(document.requests):
        assert_reads_its_request([row], request, number)


@given(documents())
def test_the_tree_has_a_node_for_every_distinct_prefix(document):
    row = tree_row(0, document)
    held = [tuple(row.tokens[n] for n in path_to(row, node)) for node in range(len(row.tokens))]
    assert len(held) == len(set(held))
    assert set(held) == prefixes(document)


@given(documents())
def test_parents_stand_before_children_and_depths_count_ancestors(document):
    row = tree_row(0, document)
    for node, (parent, depth) in enumerate(zip(row.parents, row.depths, strict=True)):
        assert parent < node
        assert depth == len(path_to(row, node)) - 1


@given(documents())
def test_a_tree_without_branches_is_a_path(document):
    longest = max(document.requests, key=lambda request: len(request.tokens)).tokens
    branches = any(request.tokens != longest[: len(request.tokens)] for request in document.requests)
    row = tree_row(0, document)
    # With two first tokens both are roots, and neither sees the other.
    assert row.is_path == (not branches)


@given(documents())
def test_plain_rows_cover_every_request(document):
    rows = plain_rows(0, document)
    for number, request in enumerate(document.requests):
        assert_reads_its_request(rows, request, number)
    assert sum(len(row.scored) for row in rows) == sum(len(r.targets) for r in document.requests)


@given(documents())
def test_plain_rows_are_paths_and_none_is_a_prefix_of_another(document):
    rows = plain_rows(0, document)
    texts = [row.tokens for row in rows]
    assert all(row.is_path and row.depths == tuple(range(len(row.tokens))) for row in rows)
    assert set(texts) <= {request.tokens for request in document.requests}
    for number, text in enumerate(texts):
        others = texts[:number] + texts[number + 1 :]
        assert not any(other[: len(text)] == text for other in others)


@given(st.lists(documents(), max_size=4))
def test_rows_name_their_document_by_its_position(several):
    assert [row.document for row in rows_of(several, TREE)] == list(range(len(several)))
    plain = rows_of(several, PLAIN)
    assert [row.document for row in plain] == sorted(row.document for row in plain)
    assert {row.document for row in plain} == set(range(len(several)))
    for position, document in enumerate(several):
        assert [row for row in plain if row.document == position] == plain_rows(position, document)


def test_the_docstrings_example_shares_the_context():
    the, cat, sat, ran, down = range(5)
    requests = (EncodedRequest((the, cat, sat), (sat, down)), EncodedRequest((the, cat, ran), (ran, down)))
    row = tree_row(0, EncodedDocument(0, requests, (0,), (1, 1), ""))
    assert row.tokens == (the, cat, sat, ran)
    assert row.parents == (ROOT, 0, 1, 1)
    assert row.depths == (0, 1, 2, 2)
    assert [(one.node, one.target, one.choice) for one in row.scored] == [
        (1, sat, 0),
        (2, down, 0),
        (1, ran, 1),
        (3, down, 1),
    ]
