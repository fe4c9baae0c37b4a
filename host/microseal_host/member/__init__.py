"""A member of groups on a host: the device package's Member over paho-mqtt, with an identity directory of its own.

It is enrolled from a claim file like any device, and needs nothing of the authority's database.
"""
