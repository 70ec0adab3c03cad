"""The Merkle tree of RFC 6962 as it grows: only the roots of its perfect subtrees are kept."""

import hashlib


class Tree:
    """A tree of some size. Equal trees have equal `size` and `roots`."""

    def __init__(self):
        self.size = 0
        self.roots = []  # largest first

    @classmethod
    def of(cls, size, roots):
        """The tree of so many entries with these roots of perfect subtrees; None if there must be others."""
        if len(roots) != size.bit_count():
            return None
        tree = cls()
        tree.size, tree.roots = size, list(roots)
        return tree

    def append(self, entry):
        node = hashlib.sha256(b"\x00" + entry).digest()
        rest = self.size
        while rest & 1:
            node = _join(self.roots.pop(), node)
            rest >>= 1
        self.roots.append(node)
        self.size += 1

    def root(self):
        if not self.roots:
            return hashlib.sha256().digest()
        node = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            node = _join(left, node)
        return node


def _join(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()
