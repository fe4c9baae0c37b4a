"""The core's interface (microseal.crypto.core), one-shot functions only, on the core in an emulated Cortex-M0+.

Arguments lie at odd addresses. Errors of the core are ValueError, as on the other backends.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from microseal_host.bench.machine import Machine

SIGNATURE, TAG = -8, -9


class Interface:
    SUITES = (1, 2)

    def __init__(self, elf: Path, watched: bool = False) -> None:
        self.machine = Machine(elf, watched)

    def put(self, content: bytes | None) -> int:
        return 0 if content is None else self.machine.put(bytes(content), odd=True)

    def status(self, name: str, *arguments: int | bytes | None) -> int:
        """What the function returns. Bytes are passed as an address."""
        put = [a if isinstance(a, int) else self.put(a) for a in arguments]
        result = self.machine.call("ms_" + name, *put).result
        return result - (1 << 32) if result >> 31 else result

    def good(self, name: str, *arguments: int | bytes | None) -> None:
        found = self.status(name, *arguments)
        if found:
            raise ValueError(f"{name}: error {found}")

    def result(self, length: int, name: str, *arguments: int | bytes | None) -> bytes:
        """The bytes that the function writes to its last argument, which is left away here."""
        self.machine.forget()
        out = self.put(bytes(length))
        self.good(name, *arguments, out)
        return self.machine.get(out, length)

    def stream(self, name: str, length: int, start: tuple[int | bytes, ...], parts: tuple[bytes, ...]) -> bytes:
        """init with start, update with each part, final."""
        self.machine.forget()
        context, out = self.machine.put(bytes(256)), self.put(bytes(length))
        init: Callable[..., object] = self.status if name == "cmac" else self.good  # cmac's returns nothing
        init(name + "_init", context, *start)
        for part in parts:
            init(name + "_update", context, part, len(part))
        init(name + "_final", context, out)
        assert not any(self.machine.get(context, 160))
        return self.machine.get(out, length)

    def hash(self, suite: int, *parts: bytes) -> bytes:
        return self.stream("hash", 32, (suite,), parts)

    def hmac(self, suite: int, key: bytes, *parts: bytes) -> bytes:
        return self.stream("hmac", 32, (suite, key, len(key)), parts)

    def cmac(self, key: bytes, *parts: bytes) -> bytes:
        return self.stream("cmac", 16, (key,), parts)

    def hkdf(self, suite: int, ikm: bytes, salt: bytes, info: bytes, n: int) -> bytes:
        self.machine.forget()
        out = self.put(bytes(n))
        self.good("hkdf", suite, ikm, len(ikm), salt, len(salt), info, len(info), out, n)
        return self.machine.get(out, n)

    def gcm_seal(self, key: bytes, nonce: bytes, aad: bytes, data: bytes, out: bytearray) -> None:
        out[:] = self.result(len(data) + 16, "gcm_seal", key, nonce, aad, len(aad), data, len(data))

    def gcm_open(self, key: bytes, nonce: bytes, aad: bytes, data: bytes, out: bytearray) -> bool:
        self.machine.forget()
        to = self.put(out)
        found = self.status("gcm_open", key, nonce, aad, len(aad), data, len(data), to)
        out[:] = self.machine.get(to, len(out))
        assert found in (0, TAG)
        return found == 0

    def base_mul(self, suite: int, k: bytes) -> bytes:
        return self.result(33, "base_mul", suite, k)

    def mul_add(self, suite: int, k: bytes, P: bytes | None, A: bytes) -> bytes:
        return self.result(33, "mul_add", suite, k, P, A)

    def ecdh(self, suite: int, k: bytes, P: bytes) -> bytes:
        return self.result(32, "ecdh", suite, k, P)

    def is_point(self, suite: int, P: bytes) -> bool:
        self.machine.forget()
        return len(P) == 33 and bool(self.status("is_point", suite, P))

    def is_scalar(self, suite: int, x: bytes) -> bool:
        self.machine.forget()
        return len(x) == 32 and bool(self.status("is_scalar", suite, x))

    def scalar_reduce(self, suite: int, wide: bytes) -> bytes:
        return self.result(32, "scalar_reduce", suite, wide, len(wide))

    def scalar_mul_add(self, suite: int, a: bytes, b: bytes, c: bytes) -> bytes:
        return self.result(32, "scalar_mul_add", suite, a, b, c)

    def sign(self, suite: int, d: bytes, Q: bytes, label: bytes, ctx: bytes, msg: bytes, rand: bytes) -> bytes:
        return self.result(64, "sign", suite, d, Q, label, len(label), ctx, len(ctx), msg, len(msg), rand)

    def sign_pair(self, suite: int, d: bytes, Q: bytes, label: bytes, ctx: bytes, msg: bytes, pair: bytearray) -> bytes:
        self.machine.forget()
        at, out = self.put(pair), self.put(bytes(64))
        try:
            self.good("sign_pair", suite, d, Q, label, len(label), ctx, len(ctx), msg, len(msg), at, out)
        finally:
            pair[:] = self.machine.get(at, len(pair))
        return self.machine.get(out, 64)

    def verify(self, suite: int, Q: bytes, label: bytes, ctx: bytes, msg: bytes, sig: bytes) -> bool:
        self.machine.forget()
        found = self.status("verify", suite, Q, label, len(label), ctx, len(ctx), msg, len(msg), sig)
        if found not in (0, SIGNATURE):
            raise ValueError(f"verify: error {found}")
        return found == 0

    def ecqv_issue(self, suite: int, cert: bytes, k: bytes, d_ca: bytes) -> bytes:
        return self.result(32, "ecqv_issue", suite, cert, len(cert), k, d_ca)

    def ecqv_public(self, suite: int, cert: bytes, C: bytes, q_ca: bytes) -> bytes:
        return self.result(33, "ecqv_public", suite, cert, len(cert), C, q_ca)

    def ecqv_accept(self, suite: int, cert: bytes, C: bytes, q_ca: bytes, r: bytes, a: bytes) -> tuple[bytes, bytes]:
        self.machine.forget()
        d, Q = self.put(bytes(32)), self.put(bytes(33))
        self.good("ecqv_accept", suite, cert, len(cert), C, q_ca, r, a, d, Q)
        return self.machine.get(d, 32), self.machine.get(Q, 33)
