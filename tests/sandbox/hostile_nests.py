"""Programs of nests that do not keep to what is agreed on with the keeper of boxes."""

from __future__ import annotations

ORDERS = "data, (orders, words) = nest._receive(control)\n"
CHANNEL = ORDERS + "channel = nest.Channel(orders, words)\n"
FORKED = CHANNEL + "if os.fork(): time.sleep(1000)\n"
BOXED = (
    FORKED
    + """
channel.say(b"born", 0)
program = channel.orders.recv(65536)
"""
)
UNSHARED = (
    BOXED
    + """
libc = nest._libc
libc.unshare(nest._NAMESPACES)
nest._write("/proc/self/setgroups", "deny")
nest._write("/proc/self/uid_map", "993 993 1")
nest._write("/proc/self/gid_map", "990 990 1")
"""
)

KEPT = """
%s
channel = nest.next_fork(control)
if channel is not None:
    nest.hatch(channel, lambda: None)
"""

NO_EGGS = {
    "keeps its capabilities": KEPT % "nest._give_up = lambda program: None",
    "keeps its capabilities and takes the filter": KEPT % "nest._libc.capset = lambda *_: 0",
    "takes no filter": KEPT
    % "give_up = nest._give_up; nest._give_up = lambda program: give_up(b'-')",
    "does not listen": "time.sleep(1000)",
    "never forks": ORDERS + "time.sleep(1000)",
    "ends when it is told to": "control.recv(9)",
    "closes its channel": ORDERS + "os.close(orders); os.close(words); time.sleep(1000)",
    "ends after it was born": FORKED + 'channel.say(b"born", 0)',
    "ends with its filter": BOXED,
    "says that it is born without being so": ORDERS + 'os.write(words, b"born"); time.sleep(1000)',
    "says that it is here without being born": FORKED + 'channel.say(b"here", 1); time.sleep(1000)',
    "says that it is here without saying who": BOXED + 'os.write(words, b"here"); time.sleep(1000)',
    "says both at once": FORKED
    + 'channel.say(b"born", 0); channel.say(b"here", 1); time.sleep(1000)',
    "is born twice": BOXED + 'channel.say(b"born", 0); time.sleep(1000)',
    "becomes no box": BOXED + 'channel.say(b"here", 1); time.sleep(1000)',
    "becomes another user's box in the same processes": UNSHARED.replace(
        "nest._NAMESPACES", "nest._NAMESPACES & ~0x20000000"
    )
    + 'channel.say(b"here", 1); time.sleep(1000)',
    "unshares, and does not fork": UNSHARED + 'channel.say(b"here", 1); time.sleep(1000)',
    "has another than its first process speak": UNSHARED
    + """
if os.fork(): time.sleep(1000)
if os.fork(): time.sleep(1000)
channel.say(b"here", 1); time.sleep(1000)
""",
    "speaks from two namespaces further down": UNSHARED
    + """
if os.fork(): time.sleep(1000)
libc.unshare(nest._NAMESPACES)
if os.fork(): time.sleep(1000)
channel.say(b"here", 1); time.sleep(1000)
""",
    "stops itself": FORKED + 'channel.say(b"born", 0); os.kill(os.getpid(), signal.SIGSTOP)',
    "floods its channel": FORKED
    + """
channel.say(b"born", 0)
os.set_blocking(words, True)
while True: os.write(words, b"born" * 1024)
""",
    "fills its channel with nothing": ORDERS
    + """
os.set_blocking(words, True)
while True: os.write(words, bytes(65536))
""",
    "sends nonsense": ORDERS + 'os.write(words, "é\\0{}\\n".encode()); time.sleep(1000)',
}
"""What no egg comes of: by what the program does."""

OTHER_GROUPS = (
    CHANNEL
    + """
libc = nest._libc
if os.fork() == 0:
    channel.say(b"born", 0)
    time.sleep(1000)
program = channel.orders.recv(65536)
libc.unshare(nest._NAMESPACES)
if os.fork(): time.sleep(1000)
channel.say(b"here", 1); time.sleep(1000)
"""
)
"""Has one process be put into control groups, and another become the box."""

LINGERS = """
def lingering():
    listening = socket.create_server(("127.0.0.1", 0))
    ours = socket.create_connection(listening.getsockname())
    theirs, _ = listening.accept()
    ours.setblocking(False)
    try:
        while True: ours.send(bytes(65536))
    except BlockingIOError: pass
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 600))
    return theirs, ours
held, sent = [], []
for line in (control, None):
    if line is None:
        data, (orders, words) = nest._receive(control)
        line = socket.socket(fileno=orders)
    theirs, ours = lingering()
    held += [theirs, ours]
    try:
        socket.send_fds(line, [b"born"], [ours.fileno()])
        sent.append("sent")
    except OSError as error:
        sent.append(type(error).__name__)
    if sent[-1] == "sent": held.pop().close()
print(json.dumps(sent), flush=True)
time.sleep(1000)
"""
"""Sends sockets by its channels whose closing takes ten minutes, for whoever holds them last."""

BOMB = """
print("0", flush=True)
while True:
    try: os.fork() or time.sleep(600)
    except OSError: time.sleep(0.1)
"""

BUSY = """
for _ in range(60): os.fork() or time.sleep(1000)
"""
COUNT = """
import os, time
made = 0
try:
    for made in range(200): os.fork() or time.sleep(1000)
except OSError: pass
print(made, flush=True)
os._exit(0)
"""

BAD_EGGS = {
    "has exited": "os._exit(0)",
    "crashes": "ctypes.string_at(0)",
}
"""What the first process of an egg does when it was there, so that it can become nothing."""

AFTER = """
channel = nest.next_fork(control)
if channel is not None:
    say = channel.say
    def then(word, place):
        say(word, place)
        if word == b"here": WHAT
    channel.say = then
    nest.hatch(channel, lambda: None)
"""

LIES = """
channel = nest.next_fork(control)
if channel is not None:
    say, receive = channel.say, nest._receive
    def then(word, place):
        say(word, place)
        if word == b"here":
            receive(channel.orders)
            os.write(channel.words, WHAT)
            os._exit(0)
    def leave_it_to_the_first():
        nest._receive = lambda orders: time.sleep(1000)
    channel.say = then
    nest.hatch(channel, leave_it_to_the_first)
"""
"""Says something of its end that is no exit status."""

STATUSES = {
    'b"999"': 255,
    'b"-99"': 0,
    'b"x"': -9,
    'b""': -9,
    'b"7" * 4000': 255,
    'b"\\xff\\xfe"': -9,
    'b"+12 and more"': 12,
}

HIDDEN = """
channel = nest.next_fork(control)
if channel is not None:
    furnish = nest._furnish
    def hide():
        furnish()
        nest._mount(b"tmpfs", b"/var", 0, b"")
        MADE
    nest._furnish = hide
    nest.hatch(channel, lambda: None)
"""
"""Makes its own tree before what a function is made of is mounted in it."""

TREES = (
    'os.symlink("/proc/1/root", "/var/task")',
    'os.symlink("/", "/var/task")',
    'os.mkfifo("/var/task")',
    'os.mkdir("/var/task"); nest._mount(b"proc", b"/var/task", 0, b"")',
    "pass",
)
