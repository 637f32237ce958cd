package upstream

import "github.com/holdfast-edge/holdfast/configs"

// FromConfig makes the app that a configuration describes, with no connections yet.
func FromConfig(c *configs.App) *App {
	endpoints := make([]*Endpoint, len(c.Upstreams))
	for i, u := range c.Upstreams {
		endpoints[i] = &Endpoint{Address: u.Address, Name: u.URL}
	}
	a := NewApp(c.Name, endpoints)
	a.Connect, a.Response, a.Idempotent = c.Connect, c.Response, c.Idempotent
	return a
}
