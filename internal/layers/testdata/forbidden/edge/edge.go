package edge

import (
	_ "github.com/holdfast-edge/holdfast/edge/http1"
	_ "net/http"
	_ "net/http/httputil"
)
