// Verify-go checks a log that Countersign published, with nothing of Countersign: Go's own packages for notes and
// transparency logs (golang.org/x/mod/sumdb) against a folder laid out as c2sp.org/tlog-tiles says.
//
//	verify-go DIR VKEY OLD
//
// DIR holds `checkpoint` and `tile/…`; VKEY is the log's verifier key; OLD is a file with an older checkpoint. It
// checks the signatures, that every entry is in the tree, that the old tree is the beginning of the new one, and every
// `*.tlog-proof` in DIR (c2sp.org/tlog-proof). Exit status 0 says that all of it holds.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
	// Every how many entries a whole audit path is made and checked; the hash of each entry is checked anyway.
	pathEvery = 101
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: verify-go DIR VKEY OLD")
		os.Exit(2)
	}
	if err := verify(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "not verified:", err)
		os.Exit(1)
	}
}

func verify(dir, vkey, oldFile string) error {
	verifier, err := note.NewVerifier(strings.TrimSpace(vkey))
	if err != nil {
		return err
	}
	tree, err := readCheckpoint(filepath.Join(dir, "checkpoint"), verifier)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	old, err := readCheckpoint(oldFile, verifier)
	if err != nil {
		return fmt.Errorf("older checkpoint: %w", err)
	}
	// The reader holds every tile against the tree's root before it gives out a hash of it.
	reader := tlog.TileHashReader(tree, &folder{dir: dir, tiles: map[string][]byte{}})
	if err := checkConsistency(reader, tree, old); err != nil {
		return fmt.Errorf("consistency of %d with %d: %w", old.N, tree.N, err)
	}
	for bundle := int64(0); bundle*tileWidth < tree.N; bundle++ {
		if err := checkBundle(dir, bundle, reader, tree); err != nil {
			return fmt.Errorf("bundle %d: %w", bundle, err)
		}
	}
	receipts, err := filepath.Glob(filepath.Join(dir, "*.tlog-proof"))
	if err != nil {
		return err
	}
	for _, receipt := range receipts {
		if err := checkReceipt(dir, receipt, tree, verifier); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(receipt), err)
		}
	}
	fmt.Printf("%d entries, consistent with %d, %d receipts\n", tree.N, old.N, len(receipts))
	return nil
}

// readCheckpoint opens the note in a file and reads origin, size and root from it (c2sp.org/tlog-checkpoint).
func readCheckpoint(file string, verifier note.Verifier) (tlog.Tree, error) {
	bytes, err := os.ReadFile(file)
	if err != nil {
		return tlog.Tree{}, err
	}
	return parseCheckpoint(bytes, verifier)
}

func parseCheckpoint(bytes []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(bytes, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, errors.New("not a checkpoint of this log")
	}
	size, err := decimal(lines[1])
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return tlog.Tree{}, err
	}
	return tlog.Tree{N: size, Hash: root}, nil
}

func decimal(text string) (int64, error) {
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || number < 0 || strconv.FormatInt(number, 10) != text {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return number, nil
}

func checkConsistency(reader tlog.HashReader, tree, old tlog.Tree) error {
	if old.N == 0 {
		return nil
	}
	proof, err := tlog.ProveTree(tree.N, old.N, reader)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash)
}

// checkBundle holds every entry of a bundle against its hash in the verified tree, and some against a whole path.
func checkBundle(dir string, bundle int64, reader tlog.HashReader, tree tlog.Tree) error {
	first := bundle * tileWidth
	entries, err := readBundle(dir, bundle, tree.N)
	if err != nil {
		return err
	}
	indexes := make([]int64, len(entries))
	for i := range entries {
		indexes[i] = tlog.StoredHashIndex(0, first+int64(i))
	}
	hashes, err := reader.ReadHashes(indexes)
	if err != nil {
		return err
	}
	for i, entry := range entries {
		n, hash := first+int64(i), tlog.RecordHash(entry)
		if hash != hashes[i] {
			return fmt.Errorf("entry %d is not the one in the tree", n)
		}
		if n%pathEvery != 0 && n != tree.N-1 {
			continue
		}
		path, err := tlog.ProveRecord(tree.N, n, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(path, tree.N, tree.Hash, n, hash); err != nil {
			return err
		}
	}
	return nil
}

// readBundle reads the entries of a bundle, exactly as many as the tree has of it.
func readBundle(dir string, bundle, size int64) ([][]byte, error) {
	width := size - bundle*tileWidth
	if width > tileWidth {
		width = tileWidth
	}
	tile := tlog.Tile{H: tileHeight, L: 0, N: bundle, W: int(width)}
	path := strings.Replace(specified(tile), "tile/0/", "tile/entries/", 1)
	bytes, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for int64(len(entries)) < width {
		if len(bytes) < 2 {
			return nil, errors.New("the bundle ends too early")
		}
		length := int(binary.BigEndian.Uint16(bytes))
		if len(bytes) < 2+length {
			return nil, errors.New("the bundle ends within an entry")
		}
		entries = append(entries, bytes[2:2+length])
		bytes = bytes[2+length:]
	}
	if len(bytes) != 0 {
		return nil, errors.New("the bundle goes on after its last entry")
	}
	return entries, nil
}

// checkReceipt reads a tlog-proof and holds it against the entry that it is for.
func checkReceipt(dir, file string, tree tlog.Tree, verifier note.Verifier) error {
	bytes, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, signed, found := strings.Cut(string(bytes), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a receipt")
	}
	lines = lines[1:]
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		if _, err := base64.StdEncoding.Strict().DecodeString(lines[0][len("extra "):]); err != nil {
			return err
		}
		lines = lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return errors.New("no index")
	}
	index, err := decimal(lines[0][len("index "):])
	if err != nil {
		return err
	}
	var path tlog.RecordProof
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		path = append(path, hash)
	}
	at, err := parseCheckpoint([]byte(signed), verifier)
	if err != nil {
		return err
	}
	if index >= tree.N {
		return errors.New("the log does not have the entry")
	}
	entries, err := readBundle(dir, index/tileWidth, tree.N)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(path, at.N, at.Hash, index, tlog.RecordHash(entries[index%tileWidth]))
}

// folder reads tiles from a folder. What it reads is checked by its reader, never by itself.
type folder struct {
	dir   string
	tiles map[string][]byte
}

func (f *folder) Height() int { return tileHeight }

func (f *folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		path := specified(tile)
		bytes, known := f.tiles[path]
		if !known {
			read, err := os.ReadFile(filepath.Join(f.dir, filepath.FromSlash(path)))
			if err != nil {
				return nil, err
			}
			if len(read) != tile.W*tlog.HashSize {
				return nil, fmt.Errorf("%s has %d bytes", path, len(read))
			}
			bytes = read
			f.tiles[path] = bytes
		}
		all = append(all, bytes)
	}
	return all, nil
}

func (f *folder) SaveTiles([]tlog.Tile, [][]byte) {}

// specified is the path of a tile as tlog-tiles has it; the package's own has the height of tiles in it.
func specified(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", tile.H), "tile/", 1)
}
