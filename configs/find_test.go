package configs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	t.Chdir(t.TempDir())
	etc := filepath.Join(t.TempDir(), "edge.yaml")
	places := []string{"edge.yaml", etc}
	check := func(name, flag string, getenv func(string) (string, bool), want string) {
		t.Helper()
		got, err := find(flag, getenv, places)
		if got != want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := find("", environment(EnvVar, ""), places); !errors.Is(err, ErrNoFile) || !strings.Contains(err.Error(), etc) {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(etc, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	check("the last place", "", environment(), etc)
	if err := os.Mkdir("edge.yaml", 0o755); err != nil { // found, and then Load says what is wrong
		t.Fatal(err)
	}
	check("the current directory first", "", environment(), "edge.yaml")
	check("the environment before it", "", environment(EnvVar, "/none.yaml"), "/none.yaml")
	check("the flag before all", "x.yaml", environment(EnvVar, "/none.yaml"), "x.yaml")

	t.Setenv(EnvVar, "/from/the/process.yaml")
	if got, err := Find("", nil); got != "/from/the/process.yaml" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
