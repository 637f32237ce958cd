package upstream

import "time"

// Status is how an app stands now, as the admin socket tells it.
type Status struct {
	Name        string           `json:"name"`
	Connections int              `json:"max_connections,omitempty"` // the limit; what follows is known only where there is one
	InUse       int              `json:"in_use,omitempty"`
	Waiting     int              `json:"waiting,omitempty"` // requests that wait for a connection
	Upstreams   []EndpointStatus `json:"upstreams"`
}

// EndpointStatus is how an upstream stands now.
type EndpointStatus struct {
	URL         string      `json:"url"`
	Active      int         `json:"active"`                 // requests under way
	Idle        int         `json:"idle"`                   // connections kept for the next ones
	MarkedUntil *time.Time  `json:"marked_until,omitempty"` // until then others go first
	Health      HealthState `json:"health,omitempty"`       // where it is checked
	HealthSince *time.Time  `json:"health_since,omitempty"`
	HealthError string      `json:"health_error,omitempty"`
	Addresses   []string    `json:"addresses,omitempty"` // of its name
	LookupError string      `json:"lookup_error,omitempty"`
}

// Status tells how the app and its upstreams stand.
func (a *App) Status() Status {
	s := Status{Name: a.Name, Upstreams: []EndpointStatus{}}
	if a.gate != nil {
		s.Connections = a.gate.limit
		s.InUse, s.Waiting = a.gate.load()
	}
	for _, e := range a.endpoints {
		s.Upstreams = append(s.Upstreams, e.status(a))
	}
	return s
}

func (e *Endpoint) status(a *App) EndpointStatus {
	s := EndpointStatus{URL: e.Name, Active: int(e.active.Load())}
	e.mu.Lock()
	s.Idle = len(e.idle)
	e.mu.Unlock()
	if until := time.Unix(0, e.deadUntil.Load()); until.After(time.Now()) {
		s.MarkedUntil = &until
	}
	if a.check.path != "" {
		a.judge.Lock()
		h := e.health.Health
		a.judge.Unlock()
		if s.Health = h.State; h.State == "" {
			s.Health = Unchecked
		} else {
			s.HealthSince = &h.Since
		}
		if h.Cause != nil {
			s.HealthError = h.Cause.Error()
		}
	}
	if e.name != nil {
		if f := e.name.found.Load(); f != nil {
			for _, x := range f.addresses {
				s.Addresses = append(s.Addresses, x.ip.String())
			}
			if f.err != nil {
				s.LookupError = f.err.Error()
			}
		}
	}
	return s
}
