#!/usr/bin/env python3
"""Verifies passes, live passes, status lists, issued lists and exported journals of Portcullis.

An implementation independent of the product's own, written from docs/formats.md alone, with
nothing but Python's standard library: section numbers below are that document's. It answers in
JSON on standard output and ends with 0, or says on standard error why it refuses and ends with 1.

    verify.py pass TEXT --issuer-key HEX
    verify.py live-pass TEXT --issuer-key HEX
    verify.py status-list FILE --statement-key HEX
    verify.py issued-list FILE --statement-key HEX [--range FILE]...
    verify.py journal FILE [--gate-key HEX]
"""

import argparse
import base64
import binascii
import hashlib
import json
import sys


class Refused(Exception):
    """The input does not verify; the first argument is the reason."""


def need(condition, reason):
    if not condition:
        raise Refused(reason)


# --- Ed25519 (RFC 8032 section 5.1), strict as section 4 says ------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
IDENTITY = (0, 1, 1, 0)


def point_add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def point_multiply(scalar, point):
    result = IDENTITY
    while scalar:
        if scalar & 1:
            result = point_add(result, point)
        point = point_add(point, point)
        scalar >>= 1
    return result


def point_equal(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


def point_decompress(data):
    y = int.from_bytes(data, "little")
    sign = y >> 255
    y &= (1 << 255) - 1
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if x2 == 0:
        return None if sign else (0, y, 1, 0)
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * SQRT_M1 % P
    if (x * x - x2) % P:
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def point_compress(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE = point_decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_small(point):
    return point_equal(point_multiply(8, point), IDENTITY)


def signature_holds(key, message, signature):
    a, r = point_decompress(key), point_decompress(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L or is_small(a) or is_small(r):
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    minus_a = (P - a[0], a[1], a[2], P - a[3])
    expected = point_add(point_multiply(s, BASE), point_multiply(k, minus_a))
    return point_compress(expected) == signature[:32]


def kid_of(key):
    cose_key = bytes.fromhex("a301012006215820") + key
    return hashlib.sha256(cose_key).digest()[:8]


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# --- CBOR in the one profile of section 2 --------------------------------------------------------


class Map(list):
    """A map as a list of (key, value), in its order."""


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        need(count <= len(self.data) - self.at, "CBOR ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def head(self):
        first = self.take(1)[0]
        major, short = first >> 5, first & 31
        if short < 24:
            return major, short
        need(short < 28, "CBOR of indefinite length or reserved")
        need(major != 7, "CBOR simple value or floating-point number")
        size = 1 << (short - 24)
        value = int.from_bytes(self.take(size), "big")
        least = {1: 24, 2: 1 << 8, 4: 1 << 16, 8: 1 << 32}[size]
        need(value >= least, "CBOR integer longer than needed")
        return major, value

    def item(self, depth=16):
        major, value = self.head()
        if major == 0:
            return value
        if major == 1:
            return -1 - value
        if major == 2:
            return self.take(value)
        if major == 3:
            try:
                return self.take(value).decode("utf-8")
            except UnicodeDecodeError:
                raise Refused("CBOR text is not UTF-8") from None
        if major in (4, 5):
            need(depth > 0, "CBOR nested too deeply")
            if major == 4:
                return [self.item(depth - 1) for _ in bounded(value, self)]
            return self.map(value, depth - 1)
        need(major == 7 and value == 22, "CBOR tag or simple value")
        return None

    def map(self, count, depth):
        pairs, last = Map(), b""
        for _ in bounded(count, self):
            start = self.at
            key = self.item(depth)
            encoded = self.data[start : self.at]
            need(encoded > last, "CBOR map keys not ascending")
            last = encoded
            pairs.append((key, self.item(depth)))
        return pairs


def bounded(count, reader):
    """As many turns as `count`; more than there are bytes cannot be."""
    need(count <= len(reader.data), "CBOR count beyond the bytes")
    return range(count)


def decode(data):
    reader = Reader(data)
    value = reader.item()
    need(reader.at == len(data), "bytes follow the CBOR value")
    return value


def is_uint(value, bits=64):
    return type(value) is int and 0 <= value < 1 << bits


def is_bytes(value, length=None):
    return type(value) is bytes and (length is None or len(value) == length)


def structure(value, least, most, what):
    """An array structure with `least` to `most` members, absent ones at the end filled in."""
    need(type(value) is list and least <= len(value) <= most, what)
    need(len(value) == least or value[-1] is not None, what + " ends in null")
    return value + [None] * (most - len(value))


def encode_head(major, value):
    if value < 24:
        return bytes([major << 5 | value])
    for short, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << 8 * size:
            return bytes([major << 5 | short]) + value.to_bytes(size, "big")
    raise ValueError(value)


def encode_bytes(data):
    return encode_head(2, len(data)) + data


# --- Base45 (section 3) --------------------------------------------------------------------------

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def base45_decode(text):
    out = bytearray()
    for start in range(0, len(text), 3):
        group = [ALPHABET.find(c) for c in text[start : start + 3]]
        need(-1 not in group and len(group) > 1, "not Base45")
        value = sum(digit * 45**place for place, digit in enumerate(group))
        need(value < 1 << 8 * (len(group) - 1), "not Base45")
        out += value.to_bytes(len(group) - 1, "big")
    return bytes(out)


# --- COSE_Sign1 (section 5) ----------------------------------------------------------------------

WITHOUT_KID = bytes.fromhex("a10132")
WITH_KID = bytes.fromhex("a201320448")


class Sign1:
    def __init__(self, data):
        parts = decode(data)
        need(type(parts) is list and len(parts) == 4, "not a COSE_Sign1")
        self.protected, unprotected, self.payload, self.signature = parts
        need(is_bytes(self.protected) and is_bytes(self.payload), "not a COSE_Sign1")
        need(type(unprotected) is Map and not unprotected, "unprotected header")
        need(is_bytes(self.signature, 64), "signature of another length")
        self.kid = None
        if self.protected != WITHOUT_KID:
            need(self.protected.startswith(WITH_KID), "protected header")
            need(len(self.protected) == 13, "protected header")
            self.kid = self.protected[5:]

    def signed_by(self, key, external_data):
        parts = [self.protected, external_data.encode("ascii"), self.payload]
        sig_structure = (
            b"\x84" + encode_head(3, 10) + b"Signature1" + b"".join(map(encode_bytes, parts))
        )
        return signature_holds(key, sig_structure, self.signature)


def open_document(data, key, kind, limit):
    """The payload of a signed document (section 9)."""
    need(len(data) <= limit, "document too long")
    parsed = Sign1(data)
    need(parsed.kid == kid_of(key), "signed by another key")
    need(parsed.signed_by(key, f"portcullis/{kind}/1"), "signature does not hold")
    return decode(parsed.payload)


def check_number(value):
    need(type(value) is list and len(value) == 2, "number")
    need(is_uint(value[0], 32) and is_uint(value[1]), "number")


def check_header(value):
    header = structure(value, 3, 3, "header")
    check_number(header[0])
    need(header[0][1] >= 1, "number")
    need(is_uint(header[1]) and is_uint(header[2]), "header")
    need(0 < header[2] - header[1] <= 400 * 86_400, "lifetime")
    return {"number": header[0], "made_at": header[1], "expires_at": header[2]}


# --- Passes (sections 6 to 8) --------------------------------------------------------------------


def malformed(check):
    """Every refusal of the wrapped check is `pass_malformed`."""

    def checked(*arguments):
        try:
            return check(*arguments)
        except Refused:
            raise Refused("pass_malformed") from None

    return checked


@malformed
def parse_claims(payload):
    claims = decode(payload)
    need(type(claims) is Map, "claims")
    keys = [key for key, _ in claims]
    need(keys in ([4, 5, 7, -65537], [4, 5, 7, 8, -65537]), "claims")
    members = dict(claims)
    need(is_uint(members[4]) and is_uint(members[5]), "validity")
    need(members[5] < members[4], "validity")
    cti = members[7]
    need(is_bytes(cti) and 1 <= len(cti) <= 4, "serial")
    need(len(cti) == 1 or cti[0] != 0, "serial")
    serial = int.from_bytes(cti, "big")
    need(serial < 1 << 24, "serial")
    holder_key = None
    if 8 in members:
        confirmation = members[8]
        need(type(confirmation) is Map and len(confirmation) == 1, "cnf")
        need(confirmation[0][0] == 1, "cnf")
        cose_key = confirmation[0][1]
        need(type(cose_key) is Map and len(cose_key) == 3, "cnf")
        need(cose_key[:2] == [(1, 1), (-1, 6)] and cose_key[2][0] == -2, "cnf")
        holder_key = cose_key[2][1]
        need(is_bytes(holder_key, 32), "cnf")
    access = members[-65537]
    need(type(access) is list and 2 <= len(access) <= 18, "access")
    kind, uses_max, levels = access[0], access[1], access[2:]
    need(kind in (0, 1, 2) and is_uint(uses_max, 32), "access")
    need(all(is_uint(level, 8) for level in levels), "access levels")
    need(all(a < b for a, b in zip(levels, levels[1:])), "access levels")
    return {
        "exp": members[4],
        "nbf": members[5],
        "serial": serial,
        "holder_key": holder_key and holder_key.hex(),
        "kind": ["student", "staff", "visitor"][kind],
        "uses_max": uses_max,
        "levels": levels,
    }


@malformed
def parse_pass(data):
    need(len(data) <= 200, "pass too long")
    parsed = Sign1(data)
    need(parsed.kid is not None, "pass without kid")
    return parsed


@malformed
def parse_proof(data):
    parsed = Sign1(data)
    need(parsed.kid is None, "kid in a proof")
    payload = decode(parsed.payload)
    need(type(payload) is list and len(payload) == 2, "proof")
    need(is_bytes(payload[0]) and is_uint(payload[1]), "proof")
    return parsed, payload[0], payload[1]


@malformed
def body_of(text):
    need(len(text.encode("utf-8")) <= 512, "text too long")
    return base45_decode(text[4:])


def verify_text(text, issuer_key):
    digits = text[2:].split(":", 1)[0] if ":" in text else ""
    need(text[:2] in ("SP", "SL") and digits.isascii() and digits.isdigit(), "not_a_pass")
    need(digits == "1", "pass_version_unsupported")
    data = body_of(text)
    proof = None
    if text[:2] == "SL":
        proof, data, made_at = parse_proof(data)
    parsed = parse_pass(data)
    claims = parse_claims(parsed.payload)
    need(parsed.kid == kid_of(issuer_key), "issuer_unknown")
    need(parsed.signed_by(issuer_key, ""), "signature_invalid")
    said = {"kid": parsed.kid.hex(), "issued_digest": sha256(data)[:8].hex(), **claims}
    if proof is not None:
        need(claims["holder_key"] is not None, "proof_invalid")
        holder_key = bytes.fromhex(claims["holder_key"])
        need(proof.signed_by(holder_key, "portcullis/live/1"), "proof_invalid")
        said["made_at"] = made_at
    return said


def verify_pass(arguments):
    need(arguments.text[:2] != "SL", "a live pass: use live-pass")
    return verify_text(arguments.text, arguments.issuer_key)


def verify_live_pass(arguments):
    need(arguments.text[:2] != "SP", "a static pass: use pass")
    return verify_text(arguments.text, arguments.issuer_key)


# --- Status list (section 11) --------------------------------------------------------------------


def gaps_of(serials):
    before = -1
    for serial in serials:
        yield serial - before - 1
        before = serial


def best_parameter(serials):
    gaps = list(gaps_of(serials))
    return min(range(25), key=lambda b: (sum((g >> b) + 1 + b for g in gaps), b))


def decode_set(value):
    need(type(value) is list and len(value) == 3, "set")
    count, rice_bits, code = value
    need(is_uint(count, 32) and is_uint(rice_bits, 8) and is_bytes(code), "set")
    need(rice_bits <= 24 and count <= 8 * len(code), "set")
    bits = "".join(f"{byte:08b}" for byte in code)
    at, before, serials = 0, -1, []
    for _ in range(count):
        end = bits.find("0", at)
        need(end >= 0 and end + 1 + rice_bits <= len(bits), "set ends too early")
        low = bits[end + 1 : end + 1 + rice_bits]
        gap = (end - at) << rice_bits | (int(low, 2) if low else 0)
        at = end + 1 + rice_bits
        before += gap + 1
        need(before < 1 << 24, "serial beyond 2^24")
        serials.append(before)
    need(len(bits) - at < 8 and "1" not in bits[at:], "padding of a set")
    need(rice_bits == best_parameter(serials), "parameter of a set")
    return serials


def verify_status_list(arguments):
    payload = open_document(arguments.file, arguments.statement_key, "status-list", 10_485_760)
    header, kid, revoked, suspended = structure(payload, 4, 4, "status list")
    need(is_bytes(kid, 8), "kid")
    said = check_header(header)
    revoked, suspended = decode_set(revoked), decode_set(suspended)
    need(not set(revoked) & set(suspended), "revoked and suspended overlap")
    return {**said, "kid": kid.hex(), "revoked": revoked, "suspended": suspended}


# --- Issued list (section 12) --------------------------------------------------------------------


def verify_issued_list(arguments):
    payload = open_document(arguments.file, arguments.statement_key, "issued-list", 512)
    header, kid, count, growth, chain = structure(payload, 5, 5, "issued list")
    said = check_header(header)
    need(is_bytes(kid, 8) and is_uint(count, 32) and count <= 1 << 24, "issued list")
    need(growth in (0, 1) and is_bytes(chain, 32), "issued list")
    need(count > 0 or chain == bytes(32), "chain of an empty list")
    digests = b""
    for data in arguments.range:
        digests += range_digests(data, kid, len(digests) // 8)
    if arguments.range:
        need(len(digests) == 8 * count, "ranges hold another number of digests")
        link = bytes(32)
        for start in range(0, len(digests), 8):
            link = sha256(link, digests[start : start + 8])
        need(link == chain, "ranges do not give the signed chain")
    return {
        **said,
        "kid": kid.hex(),
        "count": count,
        "growth": ["open", "frozen"][growth],
        "chain": chain.hex(),
        "digests": [digests[i : i + 8].hex() for i in range(0, len(digests), 8)],
    }


def range_digests(data, kid, expected_first):
    of, first, digests = structure(decode(data), 3, 3, "range")
    need(of == kid and first == expected_first, "range of another key or place")
    need(is_bytes(digests) and len(digests) % 8 == 0, "range")
    need(len(digests) <= 8 * 65_536, "range too long")
    return digests


# --- Exported journal (sections 13 and 14) -------------------------------------------------------


def check_position(value):
    need(type(value) is list and len(value) == 2, "position")
    need(is_uint(value[0], 32) and is_uint(value[1]), "position")
    return tuple(value)


def parse_public(data):
    need(len(data) <= 1_024, "public part too long")
    position, utc, uptime, clock, event = structure(decode(data), 5, 5, "public part")
    need(is_uint(utc) and is_uint(uptime) and clock in (0, 1), "public part")
    need(type(event) is list and event and event[0] in range(13), "event")
    return check_position(position)


def parse_personal(data):
    need(len(data) <= 768, "personal part too long")
    pass_id, holder, note, name = structure(decode(data), 0, 4, "personal part")
    if pass_id is not None:
        need(type(pass_id) is list and len(pass_id) == 2, "pass id")
        need(is_bytes(pass_id[0], 8) and is_uint(pass_id[1], 32), "pass id")
    need(holder is None or is_uint(holder, 32), "holder")
    need(all(text is None or type(text) is str for text in (note, name)), "personal part")


def no_duplicates(pairs):
    members = dict(pairs)
    need(len(members) == len(pairs), "a member twice")
    return members


def parse_line(line, number):
    need(len(line) < 8_192, f"line {number} too long")
    try:
        members = json.loads(line.decode("utf-8"), object_pairs_hook=no_duplicates)
    except ValueError:
        raise Refused(f"line {number} is no JSON") from None
    need(type(members) is dict, f"line {number} is no object")
    return members


def has_members(members, names, number):
    need(set(members) == set(names), f"line {number} has other members")


def from_hex(text, length):
    need(type(text) is str and len(text) == 2 * length, "hexadecimal")
    need(all(digit in "0123456789abcdef" for digit in text), "hexadecimal")
    return bytes.fromhex(text)


def from_base64(text):
    need(type(text) is str, "Base64")
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        raise Refused("Base64") from None
    need(base64.b64encode(data).decode() == text, "Base64")
    return data


def open_opening(line, trusted_key):
    has_members(line, ["portcullis_journal", "gate", "gate_key", "start", "anchor"], 1)
    version = line["portcullis_journal"]
    need(is_uint(version) and version == 1, "version of the export")
    gate, key = from_hex(line["gate"], 16), from_hex(line["gate_key"], 32)
    need(trusted_key is None or key == trusted_key, "the gate's key is not the trusted one")
    start = line["start"]
    need(type(start) is dict, "start")
    has_members(start, ["epoch", "seq", "hash"], 1)
    position = check_position([start["epoch"], start["seq"]])
    link = from_hex(start["hash"], 32)
    if line["anchor"] is None:
        begin = sha256(b"portcullis/journal/1", gate, position[0].to_bytes(4, "big"))
        need(position[1] == 0 and link == begin, "start without foundation")
    else:
        anchor = open_document(from_base64(line["anchor"]), key, "journal-anchor", 256)
        need(position[1] > 0, "start without foundation")
        need(anchor == [gate, list(position), link], "anchor of another place")
    return gate, key, position, link


def read_record(line, number):
    has_members(line, ["public", "commitment", "salt", "personal"], number)
    public, commitment = from_base64(line["public"]), from_hex(line["commitment"], 32)
    need((line["salt"] is None) == (line["personal"] is None), f"line {number}: salt")
    if line["salt"] is None:
        return public, commitment, commitment != bytes(32)
    salt, personal = from_hex(line["salt"], 16), from_base64(line["personal"])
    parse_personal(personal)
    need(sha256(salt, personal) == commitment, f"line {number}: personal part was changed")
    return public, commitment, False


def verify_journal(arguments):
    lines = arguments.file.split(b"\n")
    need(lines.pop() == b"", "the last line does not end")
    need(len(lines) >= 2, "too few lines")
    gate, key, position, link = open_opening(parse_line(lines[0], 1), arguments.gate_key)
    first, erased = position[1], 0
    for number, line in enumerate(lines[1:-1], start=2):
        public, commitment, was_erased = read_record(parse_line(line, number), number)
        position = (position[0], position[1] + 1)
        need(parse_public(public) == position, f"line {number}: record out of order")
        link = sha256(link, sha256(public), commitment)
        erased += was_erased
    last = parse_line(lines[-1], len(lines))
    has_members(last, ["head"], len(lines))
    head = open_document(from_base64(last["head"]), key, "journal-head", 256)
    head = structure(head, 4, 4, "head")
    need(is_uint(head[3]), "head")
    need(head[:3] == [gate, list(position), link], "the head is of another end")
    return {
        "gate": gate.hex(),
        "gate_key": key.hex(),
        "key_trust": "given" if arguments.gate_key else "from file",
        "records": position[1] - first,
        "erased": erased,
        "last": list(position),
        "hash": link.hex(),
        "made_at": head[3],
    }


# --- Command line --------------------------------------------------------------------------------


def key_argument(text):
    try:
        return from_hex(text, 32)
    except Refused:
        raise argparse.ArgumentTypeError("64 lower-case hexadecimal digits") from None


def file_argument(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot be read: {error.strerror}") from None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name, run, what, key, key_required=True):
        sub = commands.add_parser(name)
        sub.set_defaults(run=run)
        sub.add_argument(what, type=str if what == "text" else file_argument)
        sub.add_argument(f"--{key}-key", type=key_argument, required=key_required)
        return sub

    command("pass", verify_pass, "text", "issuer")
    command("live-pass", verify_live_pass, "text", "issuer")
    command("status-list", verify_status_list, "file", "statement")
    issued = command("issued-list", verify_issued_list, "file", "statement")
    issued.add_argument("--range", type=file_argument, action="append", default=[])
    command("journal", verify_journal, "file", "gate", key_required=False)
    arguments = parser.parse_args()
    try:
        print(json.dumps(arguments.run(arguments), ensure_ascii=False))
    except Refused as refused:
        print(f"refused: {refused}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
