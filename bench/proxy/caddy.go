//go:build linux

package proxy

import "strings"

// startCaddy starts Caddy with its usual log, JSON lines in a file.
func startCaddy(k Kind, programs Programs, at Place, dir, addr string) (*Process, error) {
	path, err := write(dir, "Caddyfile", caddyConfig(k, at, addr))
	if err != nil {
		return nil, err
	}
	env := environment([]string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir})
	return launch(k.Label, dir, env, nil, programs.Caddy, "run", "--config", path, "--adapter", "caddyfile")
}

func caddyConfig(k Kind, at Place, addr string) string {
	_, port, _ := strings.Cut(addr, ":")
	scheme, tls := "http", ""
	if k.TLS {
		scheme, tls = "https", "tls "+at.Cert+" "+at.Key+" {\n    protocols tls1.3\n  }"
	}
	return strings.NewReplacer("SCHEME", scheme, "HOST", Host, "PORT", port, "TLS", tls, "BACKEND", at.Backend).Replace(`{
  admin off
  auto_https off
  persist_config off
}
SCHEME://HOST:PORT, SCHEME://localhost:PORT {
  bind 127.0.0.1
  TLS
  log {
    output file access.log {
      roll_disabled
    }
  }
  reverse_proxy BACKEND {
    transport http {
      keepalive_idle_conns_per_host 128
    }
  }
}
`)
}
