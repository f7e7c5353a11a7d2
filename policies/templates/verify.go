// Checks an evidence folder: every entry stands in the log whose signed tree head is beside it.
//
//	go run verify.go KEY.vkey [FOLDER]
//
// KEY.vkey must come from the hospital by another way than this folder. It uses golang.org/x/mod/sumdb alone.
package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if len(os.Args) < 2 {
		refuse("usage: go run verify.go KEY.vkey [FOLDER]")
	}
	folder := "."
	if len(os.Args) > 2 {
		folder = os.Args[2]
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(read(os.Args[1]))))
	check(err, os.Args[1])
	proofs, err := filepath.Glob(filepath.Join(folder, "entries", "*.tlog-proof"))
	check(err, folder)
	if len(proofs) == 0 {
		refuse(folder + ": no proofs here")
	}
	entries, err := filepath.Glob(filepath.Join(folder, "entries", "*.json"))
	check(err, folder)
	if len(entries) != len(proofs) {
		refuse(fmt.Sprintf("%s: %d entries and %d proofs", folder, len(entries), len(proofs)))
	}
	for _, path := range proofs {
		checkEntry(path, verifier)
	}
	fmt.Printf("%d entries stand in the log of %s\n", len(proofs), verifier.Name())
}

func checkEntry(path string, verifier note.Verifier) {
	head, signed, found := strings.Cut(string(read(path)), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		refuse(path + ": no proof")
	}
	if strings.HasPrefix(lines[1], "extra ") {
		lines = lines[1:]
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	check(err, path)
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		proof = append(proof, hash(line, path))
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(verifier))
	check(err, path)
	tree := strings.Split(opened.Text, "\n")
	if len(tree) < 4 || tree[0] != verifier.Name() {
		refuse(path + ": the tree head is that of another log")
	}
	size, err := strconv.ParseInt(tree[1], 10, 64)
	check(err, path)
	entry := read(strings.TrimSuffix(path, ".tlog-proof") + ".json")
	check(tlog.CheckRecord(proof, size, hash(tree[2], path), index, tlog.RecordHash(entry)), path)
}

func hash(text string, path string) tlog.Hash {
	var value tlog.Hash
	raw, err := base64.StdEncoding.DecodeString(text)
	check(err, path)
	if len(raw) != len(value) {
		refuse(path + ": a hash of another length")
	}
	copy(value[:], raw)
	return value
}

func read(path string) []byte {
	data, err := os.ReadFile(path)
	check(err, path)
	return data
}

func check(err error, path string) {
	if err != nil {
		refuse(fmt.Sprintf("%s: %v", path, err))
	}
}

func refuse(reason string) {
	fmt.Fprintln(os.Stderr, reason)
	os.Exit(1)
}
