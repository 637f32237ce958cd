//go:build linux

package proxy

import (
	"fmt"
	"strings"
)

// startNginx starts nginx with a worker for every processor.
func startNginx(k Kind, programs Programs, at Place, dir, addr string) (*Process, error) {
	path, err := write(dir, "nginx.conf", nginxConfig(k, at, addr))
	if err != nil {
		return nil, err
	}
	return launch(k.Label, dir, environment(nil), nil, programs.Nginx, "-p", dir, "-e", dir+"/error.log", "-c", path)
}

func nginxConfig(k Kind, at Place, addr string) string {
	format, buffer, listen, tls := "combined", " buffer=64k flush=1s", addr, ""
	if k.LogBody {
		format = "body"
	}
	if k.Unbuffered {
		buffer = ""
	}
	more := ""
	if k.Streams {
		more = "proxy_request_buffering off;"
	}
	if k.TLS {
		listen += " ssl"
		tls = fmt.Sprintf("ssl_certificate %s; ssl_certificate_key %s; ssl_protocols TLSv1.3;", at.Cert, at.Key)
	}
	return strings.NewReplacer("FORMAT", format, "BUFFER", buffer, "LISTEN", listen, "TLS", tls, "BACKEND", at.Backend, "HOST", Host, "MORE", more).Replace(`
daemon off;
worker_processes auto;
worker_rlimit_nofile 65536;
pid nginx.pid;
error_log error.log;
events { worker_connections 16384; }
http {
  log_format body escape=json '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$request_body"';
  access_log access.log FORMATBUFFER;
  keepalive_requests 1000000000;
  client_max_body_size 64m;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  upstream app { server BACKEND; keepalive 128; keepalive_requests 1000000000; }
  server { listen LISTEN default_server; server_name _; TLS return 421; }
  server {
    listen LISTEN;
    server_name HOST localhost;
    TLS
    location / {
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      MORE
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
    }
  }
}
`)
}
