"""The authority: who has which certificate, who is in which group, and the service that answers devices over MQTT.

Commands record wishes in the database (`registry`); the running service (`service`) makes them true. Only what makes or opens
a secret needs the passphrase.
"""
