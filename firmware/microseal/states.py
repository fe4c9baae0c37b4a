"""The last state of each state topic that a client has published: it is sealed and published again in a new epoch (section 6)."""

from .errors import NotReady, Refused


class States:
    """At most `limit` topics; one more takes the place of another."""

    def __init__(self, member, limit):
        self._member = member
        self._limit = limit
        self._states = {}  # topic -> (message, mode, epoch in which it was sealed)

    def keep(self, topic, message, mode):
        """Remembers what has just been published on a state topic, and in which mode."""
        if topic not in self._states and len(self._states) >= self._limit:
            self._states.popitem()
        self._states[topic] = bytes(message), mode, self._epoch_of(topic)

    def _epoch_of(self, topic):
        return self._member.find(topic)[0].current.info.epoch

    def renew(self, channel_of):
        """Publishes again what was sealed in an epoch before. channel_of(mode): where it goes."""
        for topic, (message, mode, epoch) in list(self._states.items()):
            try:
                if epoch != self._epoch_of(topic):
                    mode = self._member.mode_of(topic, mode)
                    channel_of(mode).post(topic, self._member.seal(topic, message, True, mode), True)
                    self.keep(topic, message, mode)
            except NotReady:
                pass
            except Refused:
                del self._states[topic]  # not this device's to say any more
