package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// ErrNoFile is returned by Find when no configuration was named and none
// stands where one is looked for.
var ErrNoFile = errors.New("no configuration file")

// EnvVar names the environment variable that holds the path of the
// configuration file.
const EnvVar = "EDGE_CONFIG"

// Find says which configuration file to read: the one given with -c (flag),
// else the one $EDGE_CONFIG names, else ./edge.yaml, else
// /etc/holdfast/edge.yaml. A file that was named need not exist: Load then says
// what is wrong with it. A nil getenv means the process environment.
func Find(flag string, getenv func(string) (string, bool)) (path string, err error) {
	return find(flag, getenv, []string{"edge.yaml", "/etc/holdfast/edge.yaml"})
}

func find(flag string, getenv func(string) (string, bool), places []string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	if getenv == nil {
		getenv = os.LookupEnv
	}
	if path, ok := getenv(EnvVar); ok && path != "" {
		return path, nil
	}
	for _, path := range places {
		// Anything but "not there" is a find: a file that cannot be read must
		// be reported, not passed over for another one.
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: looked for -c FILE, $%s, %s", ErrNoFile, EnvVar, strings.Join(places, ", "))
}
