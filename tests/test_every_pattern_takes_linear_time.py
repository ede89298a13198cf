"""No regular expression of the product, and none that a person gives it, can be made slow by a text.

Each that is searched for is proved by `codexd.machine.linear`, or stands below with the reason why the proof does not
apply; and each is given the texts that are the worst for it, twice as long and twice again.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from attacks import attacks_of, is_linear
from codexd.machine.linear import CHARACTERS_MAX, NotLinear, check_linear, linear_pattern
from compiled_patterns import AnyPattern, made_elsewhere, patterns, uses_of

PATTERNS = patterns()
# Matched at one place that the code names, never searched for: a repeat passes over a text once.
AT_ONE_PLACE = {
    name for name in PATTERNS if uses_of(name) and uses_of(name) <= {"match", "fullmatch"}
}
# A repeat that is proved to be passed over once may still be a long one: a JWT has 8 KiB in each part.
STEPS_MAX = 300_000
# Of the shorter text; in this and four times of it `test_the_measure_finds_what_is_slow` finds all that is slow.
SMALL = 2**11
# A repeat of up to 2000 letters takes a square of the length below that, and no more beyond.
LARGER = 2**12
# What these pass over they match, so that nothing passes over it again; or they begin a line.
EACH_LETTER_ONCE = {
    "codexd.config.layers.toml_text._TEXT",  # a text or a comment, which may be open
    "codexd.core.values.foreign_json._STRING",  # a string, which may be open
    "codexd.core.shell.read_only_commands._DEVICE",  # a run of slashes and dots from its beginning
    "codexd.core.events.title._MARKS",  # at the beginning of the text alone
    "codexd.index.query.terms._TOKEN",  # a word, whatever it is
    "codexd.index.query.terms._TYPED",  # a word or a quotation, which may be open
    "codexd.models.scripted.scripts._WORD",  # a word with its blanks
    "codexd.redaction.strings._STRING",  # of JSON that was found to be valid
    "codexd_eventstore.log.scan._WHOLE_LINE",  # from the beginning of a line to its end
}
# Made where they are used: of literal texts, of those above, or of what a library says of a config file.
MADE_ELSEWHERE = {
    "codexd/config/layers/toml_file.py: re.search('at line (\\\\d+)', str(error))",
    "codexd/importing/rollout/settings.py: re.sub('[^a-z]', '', name.lower())",
    "codexd/index/query/search.py: re.compile(re.escape(term), re.IGNORECASE)",
    "codexd/machine/linear.py: re.compile(text.encode())",
    "codexd/machine/linear.py: re.match(regex, bytes([at]))",
    "codexd/models/http/proxies.py: re.split('[,\\\\s]+', no_proxy.lower())",
    "codexd/network/plain_http.py: re.sub('[^ -~]', '?', message)",
    "codexd/redaction/patterns.py: re.compile(self.source)",
    "codexd/redaction/redactor.py: re.compile(pattern.anchor)",
    "codexd/redaction/redactor.py: re.compile(b'|'.join(pairs))",
    "codexd/redaction/redactor.py: re.compile(joined)",
    "codexd/server/methods/table.py: re.sub('(?<=[a-z])(?=[A-Z])', '_', method.replace('/', '_'))",
    "codexd_frontends/client/passed_env.py: re.split('[,\\\\s]+', environ.get(MORE, ''))",
    "codexd/redaction/redactor.py: re.compile(b'|'.join((re.escape(letter) + b'(?:' + b'|'.join(rests) + b')' "  # noqa: ISC004
    "for letter, rests in by_letter.items())))",
}


def test_all_are_looked_at() -> None:
    print(
        f"expressions: {len(PATTERNS)}, of which {len(AT_ONE_PLACE)} are matched at one place only"
    )
    assert len(PATTERNS) > 150
    assert set(made_elsewhere()) == MADE_ELSEWHERE
    assert set(PATTERNS) >= EACH_LETTER_ONCE


@pytest.mark.parametrize("name", sorted(set(PATTERNS) - AT_ONE_PLACE - EACH_LETTER_ONCE))
def test_the_proof_holds_for_it(name: str) -> None:
    assert check_linear(PATTERNS[name], STEPS_MAX) <= STEPS_MAX


def searched(name: str, pattern: AnyPattern, text: str) -> None:
    """All that the product does with it."""
    given = text if isinstance(pattern.pattern, str) else text.encode(errors="replace")
    if name in AT_ONE_PLACE:
        pattern.fullmatch(given)  # type: ignore[arg-type]
        pattern.match(given)  # type: ignore[arg-type]
    else:
        for _ in pattern.finditer(given):  # type: ignore[arg-type]
            pass


def is_fast(name: str, pattern: AnyPattern, attack: Callable[[int], str]) -> bool:
    """Whether the texts of an attack take time in proportion to their length, from one of two lengths on."""
    return any(
        is_linear(lambda text: searched(name, pattern, text), attack, small=small)
        for small in (SMALL, LARGER)
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_its_worst_texts_take_time_in_proportion_to_their_length(name: str) -> None:
    pattern = PATTERNS[name]
    count = slow = 0
    for attack in attacks_of(pattern):
        count += 1
        slow += not is_fast(name, pattern, attack)
        assert not slow, attack(64)
    print(f"{name}: {count} attacks")


SLOW = [
    r"(a+)+$",
    r"a+b",
    r"a++b",
    r"(a|a)*b",
    r"(a|a){1,30}b",
    r"(x+x+)+y",
    r"(.*,){11}P",
    r"[a-z]+@corp",
    r"\d+\d+\d+x",
    r"(?=a+)+b",
    r"(\w+\s?)*$",
    r"(?P<q>['\"]).{1,20}(?P=q)",
    r"a{1,500}a{1,500}",
    r"(a{0,9}){0,9}b",
    r"(?:a|ab|b){1,20}c",
    r"\s+$",
    r"(?<=x)a*b",
    r"(?i)k[\u212a]*x".replace("\\u212a", "k"),
    r"((((((a{1,5}){1,5}){1,5}){1,5}){1,5}){1,5})b",
]
TAKEN = [
    r"corp-[0-9a-f]{32}",
    r"MYCO_[A-Za-z0-9]+",
    r"[a-z]{1,100}@corp\.example",
    r"([A-Z0-9]{4}-){5}[A-Z0-9]{6}",
    r"(?i)internal-\w+",
    r"\"key\":\"[^\"]+\"",
    r"password=.*",
    r"(?:alpha|beta|gamma){1,5}[0-9]{4,12}",
    r"\bticket [0-9]{1,9}\b",
    r"x[^xy]*y",
]


@pytest.mark.parametrize("text", SLOW)
def test_an_expression_that_may_be_slow_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(NotLinear) as refused:
        linear_pattern(text)
    assert re.search(r"bound|steps|in several ways|cannot be bounded", str(refused.value))


@pytest.mark.parametrize("text", TAKEN)
def test_a_usual_expression_is_taken(text: str) -> None:
    assert linear_pattern(text).pattern == text.encode()


@pytest.mark.parametrize("text", ["(", "a" * (CHARACTERS_MAX + 1), "a{9999999999999}", "[b-a]"])
def test_an_invalid_expression_is_refused_with_a_sentence_too(text: str) -> None:
    with pytest.raises(NotLinear, match="expected"):
        linear_pattern(text)


@pytest.mark.slow
@pytest.mark.parametrize("text", TAKEN)
def test_accepted_expressions_are_fast_on_their_worst_texts(text: str) -> None:
    pattern = linear_pattern(text)
    for attack in attacks_of(pattern):
        assert is_fast(text, pattern, attack)


@pytest.mark.slow
@pytest.mark.parametrize("text", [r"(a+)+$", r"a+b", r"(x+x+)+y", r"[a-z]+@corp"])
def test_the_measure_finds_what_is_slow(text: str) -> None:
    pattern = re.compile(text)
    assert not all(
        is_linear(lambda given: searched(text, pattern, given), attack, small=SMALL)
        for attack in attacks_of(pattern)
    )
