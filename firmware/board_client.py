"""The client of this board: by which link it reaches the broker, and what is looked after whenever it is called."""

from microseal import MQTTClient


def make_client(board, settings, store, client_id):
    """A client that tends `board`, whatever of it is called, and by which the board keeps time.

    settings: see board_settings.py; store: Store of the state; client_id: bytes.
    """
    base = _channel(settings["link"])

    class BoardChannel(base):
        def pause(self, ms):
            board.rest(ms)

    class BoardClient(MQTTClient):
        channel = BoardChannel

        def check_msg(self):
            board.tend()
            # Without a network there is nothing to try, and the pauses between attempts are not to grow for it.
            return super().check_msg() if board.online else None

        def publish(self, topic, msg, retain=False, qos=0, mode=None):
            board.tend()
            super().publish(topic, msg, retain, qos, mode)

    client = BoardClient(client_id, directory=store, **_place(settings["broker"]))
    board.keep_time = client.member.ticks_ms
    return client


def _place(broker):
    """The client's settings for a broker other than the claim's."""
    if broker is None:
        return {}
    return {
        "server": broker["host"],
        "port": broker.get("port", 0),
        "user": broker.get("user"),
        "password": broker.get("password"),
        "ssl": True if broker.get("tls") else None,
        # Not `user`: that is this board's own, and would say who speaks in a group of mode 3.
        "anonymous_user": broker.get("anonymous_user"),
        "anonymous_password": broker.get("anonymous_password"),
    }


def _channel(link):
    """The channel's class: over the network, or over the cable."""
    if link == "serial":
        from microseal.serial import SerialChannel

        return SerialChannel
    from microseal.channel import Channel

    return Channel
