package durable

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestHeld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if err := Held(path); err != nil {
		t.Errorf("no file: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it was made")
	}
	l, err := TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	var held *LockedError
	if err := Held(path); !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Errorf("held: %v", err)
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := Held(path); err != nil {
		t.Errorf("let go: %v", err)
	}
}
