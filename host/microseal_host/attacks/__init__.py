"""Attacks as programs: on the published schemes, where they succeed, and on microseal, where they must not.

published      the published scheme, read literally
world          a deployment in memory whose network belongs to the attacker
outcome, scene    what an attack is, and the plant that most of them take place in
signatures, anonymity, group_keys, keystream, freshness, membership    protocol.md section 10, and what is near it
certificates, encodings, limits, sessions    what is easy to get wrong beside it
catalogue      all of them, and how they are run
"""
