"""What others reached: on a Cortex-M0 or M0+ counted from their code in the model of processors.py, elsewhere as they say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """cycles: of one call, or of a byte; source: whose."""

    cycles: float
    source: str


EMILL = Figure(4_430_000, "P256-cortex-ecdh, M0 assembly; point given uncompressed")
WOLFSSL = "wolfSSL, Thumb assembly"
PUBLISHED = {
    "X(k*P)": EMILL,
    "k*P + A": EMILL,
    "k*G": Figure(4_130_000, WOLFSSL + ", its big table"),
    "SM4 within GCM": Figure(88, "with tables, the fastest counted"),
    "SHA-256": Figure(100, "C, counted"),
    "SM3": Figure(120, "C, counted"),
}

# What else is known of k*P, for the text of the table.
OTHERS = {
    "wolfSSL, Thumb assembly": 13_300_000,
    "micro-ecc, Thumb assembly": 14_000_000,
    "BearSSL m15, C": 20_900_000,
    "micro-ecc, C": 33_700_000,
    "p256-m, C": 41_500_000,
}

# On other processors, in cycles: (processor, operation) -> figure.
CORES = {
    ("m4", "X(k*P)"): Figure(1_610_000, "wolfSSL, on a Cortex-M33"),
    ("rv32", "X(k*P)"): Figure(23_000_000, "144 ms on an ESP32-C3 at 160 MHz"),
    ("xtensa", "X(k*P)"): Figure(65_500_000, "273 ms on an ESP32 at 240 MHz"),
}
