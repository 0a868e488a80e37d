"""simplejson's native part for interpreters that it was not built for.

awslambdaric reads and writes every event with simplejson, whose C extension serves one interpreter
only; without it an event of ordinary size costs ten times as much. Every Python has the C code of
its own json module, which gives the same result wherever nothing but plain JSON types is met. What
else there is (hooks, Decimals, named tuples, subclasses, every error) goes to simplejson's own
Python code, so its behaviour and messages stay.
"""

import _json

_PLAIN = frozenset((str, int, float, bool, type(None)))

# simplejson takes None for "there is no native one".
scanstring = None


def encode_basestring_ascii(text):
    try:
        return _json.encode_basestring_ascii(text)
    except TypeError:
        from .encoder import py_encode_basestring_ascii

        return py_encode_basestring_ascii(text)


def encode_basestring(text):
    try:
        return _json.encode_basestring(text)
    except TypeError:
        from .encoder import py_encode_basestring

        return py_encode_basestring(text)


def make_scanner(context):
    from .scanner import py_make_scanner

    slow = py_make_scanner(context)
    hooks = (context.object_hook, context.object_pairs_hook, context.array_hook)
    if hooks != (None, None, None) or context.parse_float is not float:
        return slow
    fast = _json.make_scanner(context)

    def scan_once(string, idx):
        if type(string) is str and idx >= 0:
            try:
                return fast(string, idx)
            except (StopIteration, TypeError, ValueError, RecursionError, SystemError):
                # SystemError: 3.10's scanner forgets to set the error of a document that ends
                # where a key should be.
                pass
        return slow(string, idx)

    return scan_once


def _is_plain(value):
    kind = type(value)
    if kind in _PLAIN:
        return True
    if kind is dict:
        for key, member in value.items():
            if type(key) is not str or not (type(member) in _PLAIN or _is_plain(member)):
                return False
        return True
    if kind is list or kind is tuple:
        for member in value:
            if not (type(member) in _PLAIN or _is_plain(member)):
                return False
        return True
    return False


def make_encoder(
    markers, default, encoder, indent, key_separator, item_separator, sort_keys, skipkeys,
    allow_nan, key_memo, use_decimal, namedtuple_as_object, tuple_as_array, bitcount,
    item_sort_key, encoding, for_json, ignore_nan, decimal_type, iterable_as_array,
):  # fmt: skip
    def slow(value, level):
        from .encoder import _make_iterencode

        iterencode = _make_iterencode(
            markers, default, encoder, indent, floatstr, key_separator, item_separator, sort_keys,
            skipkeys, use_decimal, namedtuple_as_object, tuple_as_array, bitcount, item_sort_key,
            encoding, for_json, iterable_as_array, Decimal=decimal_type,
        )  # fmt: skip
        # The memo of keys is the C code's alone; the caller clears an empty one.
        return list(iterencode(value, level))

    def floatstr(value):
        if value != value or value in (_INFINITY, -_INFINITY):
            if ignore_nan:
                return "null"
            if not allow_nan:
                raise ValueError(
                    "Out of range float values are not JSON compliant: " + repr(value)
                )
            return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
        return float.__repr__(float(value))

    usual = indent is None and item_sort_key is None and bitcount is None and tuple_as_array
    usual = usual and not (sort_keys or skipkeys or ignore_nan)
    native = _NATIVE.get(encoder)
    if not usual or native is None:
        return slow
    fast = _json.make_encoder(
        None, default, native, None, key_separator, item_separator, False, False, allow_nan
    )

    def iterencode(value, level):
        try:
            if _is_plain(value):
                return fast(value, level)
        except (ValueError, RecursionError):
            # A float that may not be written, a circle: simplejson words the error.
            pass
        return slow(value, level)

    return iterencode


_INFINITY = float("inf")
_NATIVE = {
    encode_basestring_ascii: _json.encode_basestring_ascii,
    encode_basestring: _json.encode_basestring,
}
