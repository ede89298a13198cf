"""llama.cpp's own server on a tiny model made on the spot: real bytes of a real server, and no sense in them.

The model is a few thousand random numbers. Its words are the printable characters, and it is biased towards
those that end things, so that texts and JSON strings are short. What a server adds to a model is all real:
templates, grammars that hold calls to their schemas, streams, usage, errors.

Source: the GGUF specification, version 3.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import random
import select
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from daemon_house import PATIENCE_SECONDS

INSTALLED = importlib.util.find_spec("xllamacpp") is not None
WHY_NOT = "xllamacpp, which has llama.cpp's server in it, is not installed"

WIDTH, HEADS, INNER = 32, 4, 64
CONTEXT = 65_536
# It says nothing worth waiting for.
TOKENS_MAX = 120

CALL = b"<tool_call>"
TEMPLATE = """{%- if tools %}<|im_start|>system
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}Answer with <tool_call>{"name": NAME, "arguments": ARGUMENTS}</tool_call> to call one.<|im_end|>
{% endif %}{%- for message in messages %}{%- if message.role == 'assistant' and message.tool_calls %}<|im_start|>assistant
{{ message.content or '' }}{%- for call in message.tool_calls %}
<tool_call>{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}</tool_call>
{%- endfor %}<|im_end|>
{% elif message.role == 'tool' %}<|im_start|>user
<tool_response>
{{ message.content }}
</tool_response><|im_end|>
{% else %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endif %}{%- endfor %}{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

SERVE = """
import sys
import xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx, params.n_predict, params.n_parallel = int(sys.argv[2]), int(sys.argv[3]), 1
params.use_jinja, params.warmup = True, False
params.sampling.seed = 1
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def llama_server(folder: Path, *, context: int = CONTEXT) -> Iterator[str]:
    """The server on loopback; its base_url."""
    model = folder / "tiny.gguf"
    model.write_bytes(tiny_model())
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(model), str(context), str(TOKENS_MAX)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            ready = select.select([process.stdout], [], [], PATIENCE_SECONDS)[0]
            address = process.stdout.readline().strip() if ready else ""
            assert address.startswith("http://127.0.0.1:"), "the server did not start"
            yield f"{address}/v1"
        finally:
            process.kill()


def tiny_model() -> bytes:
    """The model as a GGUF file."""
    words = _vocabulary()
    facts = {
        "general.architecture": _text("llama"),
        "general.name": _text("tiny"),
        "llama.context_length": _number(CONTEXT),
        "llama.embedding_length": _number(WIDTH),
        "llama.block_count": _number(1),
        "llama.feed_forward_length": _number(INNER),
        "llama.attention.head_count": _number(HEADS),
        "llama.attention.head_count_kv": _number(HEADS),
        "llama.attention.layer_norm_rms_epsilon": struct.pack("<If", 6, 1e-5),
        "llama.rope.dimension_count": _number(WIDTH // HEADS),
        "llama.vocab_size": _number(len(words)),
        "tokenizer.ggml.model": _text("llama"),
        "tokenizer.ggml.tokens": _list(8, [_string(word) for word, _ in words]),
        "tokenizer.ggml.scores": _list(6, [struct.pack("<f", 0.0)] * len(words)),
        "tokenizer.ggml.token_type": _list(5, [struct.pack("<i", kind) for _, kind in words]),
        "tokenizer.ggml.bos_token_id": _number(1),
        "tokenizer.ggml.eos_token_id": _number(2),
        "tokenizer.ggml.unknown_token_id": _number(0),
        "tokenizer.ggml.add_bos_token": struct.pack("<I?", 7, True),
        "tokenizer.ggml.add_space_prefix": struct.pack("<I?", 7, False),
        "tokenizer.chat_template": _text(TEMPLATE),
    }
    return _file(facts, _tensors([word for word, _ in words]))


def _vocabulary() -> list[tuple[bytes, int]]:
    """The words and their kinds: 1 a word, 2 unknown, 3 control, 4 one that is never split, 6 a byte."""
    words = [(b"<unk>", 2), (b"<s>", 3), (b"</s>", 3), (CALL, 4)]
    words += [(f"<0x{byte:02X}>".encode(), 6) for byte in range(256)]
    return words + [("\u2581".encode() if c == 32 else bytes([c]), 1) for c in range(32, 127)]


def _tensors(words: list[bytes]) -> dict[str, tuple[list[int], list[float]]]:
    """Name -> shape and numbers. The first of a word's numbers is the same for all: what it is biased by."""
    chance = random.Random(1)

    def noise(*shape: int) -> tuple[list[int], list[float]]:
        return list(shape), [chance.gauss(0, 0.05) for _ in range(math.prod(shape))]

    shape, read = noise(WIDTH, len(words))
    _, said = noise(WIDTH, len(words))
    for at, word in enumerate(words):
        read[at * WIDTH] = 1.0
        said[at * WIDTH] = _liking(word)
    ones = ([WIDTH], [1.0] * WIDTH)
    tensors = {
        "token_embd.weight": (shape, read),
        "output_norm.weight": ones,
        "output.weight": (shape, said),
        "blk.0.attn_norm.weight": ones,
        "blk.0.ffn_norm.weight": ones,
    }
    for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
        tensors[f"blk.0.{part}.weight"] = noise(WIDTH, WIDTH)
    tensors["blk.0.ffn_gate.weight"] = noise(WIDTH, INNER)
    tensors["blk.0.ffn_up.weight"] = noise(WIDTH, INNER)
    tensors["blk.0.ffn_down.weight"] = noise(INNER, WIDTH)
    return tensors


def _liking(word: bytes) -> float:
    if word in (b'"', b"}", CALL):
        return 1.6
    if word == b"</s>":
        return 1.55
    return 1.0 if word.isalpha() and len(word) == 1 else 0.0


def _file(facts: dict[str, bytes], tensors: dict[str, tuple[list[int], list[float]]]) -> bytes:
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(facts))
    head += b"".join(_string(key.encode()) + value for key, value in facts.items())
    data = b""
    for name, (shape, numbers) in tensors.items():
        head += _string(name.encode()) + struct.pack("<I", len(shape))
        head += b"".join(struct.pack("<Q", size) for size in shape)
        head += struct.pack("<IQ", 0, len(data))  # 32-bit floats
        data += _padded(struct.pack(f"<{len(numbers)}f", *numbers))
    return _padded(head) + data


def _padded(part: bytes) -> bytes:
    return part + bytes(-len(part) % 32)


def _string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def _text(text: str) -> bytes:
    return struct.pack("<I", 8) + _string(text.encode())


def _number(number: int) -> bytes:
    return struct.pack("<II", 4, number)


def _list(kind: int, values: list[bytes]) -> bytes:
    return struct.pack("<IIQ", 9, kind, len(values)) + b"".join(values)
