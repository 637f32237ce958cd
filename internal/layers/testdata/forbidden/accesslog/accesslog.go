package accesslog

import (
	_ "github.com/holdfast-edge/holdfast/internal/x"
	_ "github.com/holdfast-edge/holdfast/routing"
	_ "github.com/rs/zerolog"
)
