package http1

import (
	_ "github.com/holdfast-edge/holdfast/configs"
	_ "net/http"
)
