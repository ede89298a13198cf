"""However a text is cut on its way, drafts and screens never get a secret, and in the end get all the rest."""

from __future__ import annotations

import random

from codexd.redaction.redactor import Redactor
from codexd.redaction.streaming import HELD_BYTES_MAX, StreamRedactor

SECRETS = {"API_TOKEN": "k3yWithoutAnythingOdd", "DB_PASSWORD": 'two words "and" more'}
REDACTOR = Redactor(SECRETS)
PEM = "-----BEGIN PRIVATE KEY-----\n" + "MIIEowIBAAKCAQEA\n" * 9 + "-----END PRIVATE KEY-----"
TOKENS = (
    *("ghp_" + "aB3" * 12, "sk-" + "proj-" + "aB3_" * 8, "AKIA" + "IOSFODNN7EXAMPLE", PEM),
    *("Authorization: Bearer abcdefghij1", "postgres://bob:hunter22@db/x"),
    *SECRETS.values(),
    *("SG." + "aB3_" * 5 + "xy" + "." + "aB3-" * 10 + "xyz", "MTIz" * 6 + ".Gx1y2Z." + "aB3_" * 9),
    *("do" + "p_v1_" + "0f9e" * 16, "hvs." + "CAES" + "aB3_" * 20),
    *(
        "https://x.org/?token=" + "aB3d" * 5,
        "DB_PASSWORD=correcthorsebattery",
        "Password=Hunter2222;",
    ),
    *("machine x.org login bob password hunter2", "curl -u bob:hunter22 x", "X-Api-Key: a1b2c3d4"),
    *("1234567890:AA" + "aB3_" * 8 + "x", "aB3dEf6hIj9kLm" + ".atlasv1." + "aB3_" * 16),
    *("aB3" + "8Q~" + "aB3_" * 8 + "xy", "gs" + "k_" + "aB3d" * 12, "key-" + "0f9e" * 8),
    "https://discord.com/api/webhooks/123456789012345678/" + "aB3_" * 17,
)
WORDS = (
    "the ",
    "disk-",
    "task",
    "e",
    " = ",
    "\n",
    "Grüße ",
    "🙂",
    "sk",
    "https://x.org/a ",
    "-----",
    "k",
)


def test_cut_anywhere_it_comes_out_as_the_whole_does() -> None:
    chance = random.Random(7)
    cases = 0
    for _ in range(400):
        words = [chance.choice(WORDS) for _ in range(chance.randrange(12))]
        for token in chance.sample(TOKENS, 2):
            words.insert(chance.randrange(len(words) + 1), f" {token} ")
        text = "".join(words).encode()
        stream = StreamRedactor(lambda: REDACTOR)
        out, at = [], 0
        while at < len(text):
            size = chance.choice([1, 2, 3, 5, 9, 40])
            out.append(stream.feed(text[at : at + size]))
            at += size
            assert not any(secret.encode() in b"".join(out) for secret in SECRETS.values())
        out.append(stream.rest())
        assert b"".join(out) == REDACTOR.raw(text)
        cases += 1
    print(f"texts cut: {cases}")


def test_ordinary_text_is_not_held_back() -> None:
    stream = StreamRedactor(lambda: REDACTOR)
    for piece in (b"I will ", b"look at the ", b"files.\n", b"50%", b"\r51%", b"continue? [y/n] "):
        assert stream.feed(piece) == piece


def test_an_endless_secret_is_passed_on() -> None:
    stream = StreamRedactor(lambda: REDACTOR)
    out = [stream.feed(b"https://" + b"a" * 1000) for _ in range(40)]
    assert sum(map(len, out)) > 40_000 - HELD_BYTES_MAX


def test_an_article_is_not_held_back_as_a_beginning() -> None:
    stream = StreamRedactor(Redactor)
    for piece in (b"a", b" is", b" it", b" that", b" I", b" you"):
        assert stream.feed(piece) == piece
