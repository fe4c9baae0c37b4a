"""What `microseal provision` and `microseal device info` run on the board, by its REPL: sent as it stands, never imported here.

Each function prints one line of JSON. Private values (r, g, d, the seed) stay in the board's memory and on its flash: none of these
functions prints one.
"""

import gc
import json
import os
import sys

STATE = "microseal-state"


def tell(**what):
    print(json.dumps(what))


def open_store():
    from microseal.store import Store

    return Store(STATE)


def listed(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def state():
    """What the board has: package and module, whose device it is and how far its provisioning came."""
    found = {"package": None, "core": None, "id": None, "kid": None, "authority": None, "network": False}
    try:
        import microseal
        from microseal import crypto

        found["package"] = microseal.__version__
        found["core"] = [] if crypto.core is None else list(crypto.core.SUITES)
    except ImportError as error:
        found["missing"] = str(error)
    names = listed(STATE)
    if found["core"] and names:
        from microseal import enrolment, provisioning
        from microseal.errors import StorageError

        store = open_store()
        found["network"] = "network.json" in names
        try:
            if provisioning.provisioned(store):
                found["id"] = enrolment.stored_id(store).decode()
                anchor = provisioning.load_authority(store)[0]
                found["authority"] = anchor.public.hex()
                known = enrolment.load_identity(store, anchor)
                if known:
                    found["kid"] = known[0].kid.hex()
        except StorageError:
            pass  # a torn state: to be made anew
    tell(**found)


def begin(text):
    """Takes in what a claim file holds: authority, claim, and the host's 32 bytes for the seed, mixed with the chip's own."""
    from microseal.provisioning import install

    if STATE not in listed("."):
        os.mkdir(STATE)
    install(open_store(), text)
    tell(done=True)


def load():
    from microseal import provisioning

    store = open_store()
    return store, provisioning.load_authority(store)[0]


def ask():
    """Makes r and g, keeps them, and shows the request: id, R = r·G, Gi = g·G and the proof of the claim."""
    from microseal import enrolment, provisioning

    store, anchor = load()
    entropy = provisioning.count_boot(store, anchor.suite)
    tell(request=enrolment.Enrolment(store, anchor, entropy).request.hex())


def answer(reply):
    """Makes the private key out of the reply and r; shows what is public of it, and the box for the authority."""
    from microseal import enrolment

    store, anchor = load()
    enrolling = enrolment.Enrolment(store, anchor, None)
    enrolling.accept(bytes.fromhex(reply))
    show()


def show():
    from microseal import enrolment

    store, anchor = load()
    me, box = enrolment.load_identity(store, anchor)
    tell(kid=me.kid.hex(), cert=me.cert.raw.hex(), box=box.hex())


def network(text):
    """Writes the settings of the network, by way of another name."""
    path = STATE + "/network.json"
    with open(path + ".part", "w") as file:
        file.write(text)
    try:
        os.rename(path + ".part", path)
    except OSError:  # a file system that does not replace
        os.remove(path)
        os.rename(path + ".part", path)
    if hasattr(os, "sync"):
        os.sync()
    tell(done=True)


def change(text):
    """Changes some settings of the network; null takes one away. broker: a part of its place, which else is that of the claim."""
    from microseal import provisioning

    try:
        with open(STATE + "/network.json") as file:
            found = json.load(file)
    except (OSError, ValueError):
        found = {}
    wanted = json.loads(text)
    broker = wanted.pop("broker", None)
    merge(found, wanted)
    if broker:
        place = found.get("broker") or provisioning.load_broker(open_store())
        merge(place, broker)
        found["broker"] = place
    network(json.dumps(found))


def merge(found, wanted):
    for name in wanted:
        if wanted[name] is None:
            found.pop(name, None)
        else:
            found[name] = wanted[name]


def forget(kept):
    """Overwrites and removes the whole state, but for the file `kept`."""
    for name in listed(STATE):
        if name == kept:
            continue
        path = STATE + "/" + name
        with open(path, "r+b") as file:
            file.write(b"\0" * os.stat(path)[6])
        os.remove(path)
    tell(done=True)


def groups(store):
    from microseal import crypto
    from microseal.provisioning import load_authority
    from microseal.store import unpack

    suite, found, at = load_authority(store)[0].suite, {}, 0
    index = store.load("groups") or b""
    while at < len(index):
        gid = index[at + 1 : at + 1 + index[at]]
        at += 1 + index[at]
        content = store.load("group-" + crypto.core.hash(suite, gid)[:8].hex())
        if content:
            raw = unpack(content, 6)[0]
            found[gid.decode()] = int.from_bytes(raw[2 + len(gid) : 6 + len(gid)], "big")
    return found


def info():
    """What `microseal device info` shows beside state()."""
    gc.collect()
    found = {"free": gc.mem_free(), "used": gc.mem_alloc(), "firmware": sys.version, "machine": None}
    found["mpy"] = getattr(sys.implementation, "_mpy", None)
    if hasattr(os, "uname"):
        found["machine"] = os.uname()[4]
    else:
        found["machine"] = getattr(sys.implementation, "_machine", sys.platform)
    try:
        room = os.statvfs("/")
        found["flash"], found["flash_free"] = room[0] * room[2], room[0] * room[3]
    except (OSError, AttributeError):
        pass
    names = listed(STATE)
    found["epochs"] = {}
    found["link"] = None
    if names:
        try:
            from microseal import enrolment, provisioning
            from microseal.errors import MicrosealError

            try:
                store = open_store()
                found["epochs"] = groups(store)
                known = enrolment.load_identity(store, provisioning.load_authority(store)[0])
                if known:
                    found["not_after"] = known[0].cert.not_after
            except MicrosealError:
                pass  # not provisioned
        except ImportError:
            pass
        try:
            with open(STATE + "/network.json") as file:
                found["link"] = json.load(file).get("link")
        except (OSError, ValueError):
            pass
    tell(**found)
