#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a careful consumer of the as-traffic stream does: reads records, one a
line, drops duplicates, refuses gaps, adds up. Prints the sums as the generator
writes what it has sent, "pair SRC DST FAMILY packets ip_bytes wire_bytes", into
OUT.receive and OUT.transmit, and one line of facts on standard output.

With "part" the stream may still be arriving: gaps are no fault.

kafka_sums.py OUT [part] < RECORDS"""
import collections
import json
import sys

MEASURES = ("packets", "ip_bytes", "wire_bytes")


def fail(text):
    sys.exit("kafka_sums.py: " + text)


def measures(record, key):
    values = tuple(record[key][m] for m in MEASURES)
    if not all(type(v) is int and 0 <= v < 2**64 for v in values):
        fail("%s is not three whole numbers: %r" % (key, record))
    return values


streams = collections.defaultdict(dict)  # (boot_id, epoch) -> seq -> line
rows = collections.defaultdict(lambda: [0, 0, 0])
totals = {}
duplicates = 0
for line in sys.stdin:
    record = json.loads(line)
    stream = streams[record["boot_id"], record["epoch"]]
    seq = record["seq"]
    if seq in stream:
        if stream[seq] != line:
            fail("two records with number %d:\n%s%s" % (seq, stream[seq], line))
        duplicates += 1
        continue
    stream[seq] = line
    delta, total = measures(record, "delta"), measures(record, "total")
    if (record["packets"], record["bytes"]) != delta[:2]:
        fail("packets and bytes are not those of delta: " + line)
    row = (record["boot_id"], record["epoch"], record["direction"],
           record["interface"], record["as_src"], record["as_dst"],
           {"800": 4, "86dd": 6}[record["etype"]])
    rows[row] = [a + b for a, b in zip(rows[row], delta)]
    totals[row] = max(totals.get(row, total), total)

part = sys.argv[2:] == ["part"]
for (boot, epoch), stream in streams.items():
    if not part and sorted(stream) != list(range(1, len(stream) + 1)):
        fail("stream %s %d has gaps: %d records, numbers up to %d"
             % (boot, epoch, len(stream), max(stream)))
# a stream that began with new maps: the sum of what it says is the total
for row, total in totals.items():
    if not part and tuple(rows[row]) != total:
        fail("row %r: sum of delta %r, total %r" % (row, rows[row], total))

for direction in ("receive", "transmit"):
    sums = collections.defaultdict(lambda: [0, 0, 0])
    for row, value in rows.items():
        if row[2] == direction:
            sums[row[4:]] = [a + b for a, b in zip(sums[row[4:]], value)]
    with open("%s.%s" % (sys.argv[1], direction), "w", encoding="ascii") as out:
        for key, value in sums.items():
            print("pair %d %d %d %d %d %d" % (*key, *value), file=out)
print("%d records, %d streams, %d duplicates"
      % (sum(map(len, streams.values())), len(streams), duplicates))
