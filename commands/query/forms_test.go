package query

import (
	"slices"
	"testing"
	"time"
)

// Hosts and upstreams are found however a person writes them.
func TestForms(t *testing.T) {
	f := Flags{Host: []string{"Bücher.Example.", "*.SHOP.example", "a..b"}}
	filter, err := f.Filter(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"xn--bcher-kva.example", "*.shop.example", "a..b"}; !slices.Equal(filter.Hosts, want) {
		t.Errorf("hosts %q, want %q", filter.Hosts, want)
	}
	got := Upstreams([]string{"127.0.0.1:3000", "http://[::1]:80", "App:443", "/run/a.sock", "unix:/run/b.sock"})
	if want := []string{"127.0.0.1:3000", "http://127.0.0.1:3000", "https://127.0.0.1:3000", "http://[::1]:80", "http://[::1]",
		"App:443", "http://app:443", "https://app", "/run/a.sock", "unix:/run/a.sock", "unix:/run/b.sock"}; !slices.Equal(got, want) {
		t.Errorf("upstreams %q, want %q", got, want)
	}
}
