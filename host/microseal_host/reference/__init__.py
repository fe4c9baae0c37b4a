"""The protocol once more, in plain integers: slow, and the oracle for everything that is fast.

Written from protocol.md and the standards that it names, and sharing no line with the C core or with the `microseal`
package: an error would have to be made twice to go unseen. Not constant time: for tests and `microseal crosscheck`,
never for real keys.

    hashes, sm4, curves    the primitives            suites       constants, tags, HKDF and AEAD of a suite
    schnorr                section 3                 identity     section 4 and section 2's fresh
    policy, groups, notices    section 5             envelopes, receiver    section 6
    sessions               section 7                 refusal, reading       how bytes are taken apart and refused
"""
