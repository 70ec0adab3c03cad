"""CRC-32C (Castagnoli), eight bytes at a step: plain Python has none."""

POLYNOMIAL = 0x82F63B78  # reflected


def _tables():
    first = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (POLYNOMIAL if byte & 1 else 0)
        first.append(byte)
    tables = [first]
    for _ in range(7):
        before = tables[-1]
        tables.append([(word >> 8) ^ first[word & 255] for word in before])
    return tables


T0, T1, T2, T3, T4, T5, T6, T7 = _tables()


def crc32c(data, crc=0):
    """Returns the checksum of `data`, continued from that of the bytes before it."""
    crc ^= 0xFFFFFFFF
    t0, t1, t2, t3, t4, t5, t6, t7 = T0, T1, T2, T3, T4, T5, T6, T7
    whole = len(data) & ~7
    for word in memoryview(data)[:whole].cast("Q") if whole else ():
        word ^= crc
        crc = (
            t7[word & 255] ^ t6[word >> 8 & 255] ^ t5[word >> 16 & 255] ^ t4[word >> 24 & 255]
            ^ t3[word >> 32 & 255] ^ t2[word >> 40 & 255] ^ t1[word >> 48 & 255] ^ t0[word >> 56]
        )
    for byte in data[whole:]:
        crc = crc >> 8 ^ t0[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283, "the table is wrong, or the machine is not little-endian"
