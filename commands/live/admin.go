package live

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"
)

// adminOf finds the admin socket of a configuration file that does not load, so
// that a file somebody is in the middle of editing does not keep the running
// edge from being asked. It understands the two keys and their defaults and
// nothing else, and returns "" when it is not sure.
func adminOf(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	admin, data := twoKeys(text)
	if strings.Contains(admin+data, "${") {
		return ""
	}
	absolute := func(p string) string {
		if !filepath.IsAbs(p) {
			p = filepath.Join(filepath.Dir(path), p)
		}
		p, err := filepath.Abs(p)
		if err != nil {
			return ""
		}
		return p
	}
	if admin != "" {
		return absolute(strings.TrimPrefix(admin, "unix:"))
	}
	if data == "" {
		data = os.Getenv("STATE_DIRECTORY")
	}
	if data == "" {
		data = "data"
	}
	return absolute(filepath.Join(data, "edge.sock"))
}

// twoKeys reads admin and data from a file that may be broken elsewhere: as YAML
// if it parses, else from the lines that begin with them.
func twoKeys(text []byte) (admin, data string) {
	var keys struct {
		Admin string `yaml:"admin"`
		Data  string `yaml:"data"`
	}
	if yaml.Unmarshal(text, &keys) == nil {
		return keys.Admin, keys.Data
	}
	value := func(line []byte, key string) (string, bool) {
		rest, ok := bytes.CutPrefix(line, []byte(key+":"))
		if !ok {
			return "", false
		}
		var v string
		if yaml.Unmarshal(rest, &v) != nil {
			return "", false
		}
		return v, true
	}
	for line := range bytes.Lines(text) {
		if v, ok := value(line, "admin"); ok {
			admin = v
		}
		if v, ok := value(line, "data"); ok {
			data = v
		}
	}
	return admin, data
}
