package configs

import (
	_ "github.com/holdfast-edge/holdfast/accesslog"
	_ "go.yaml.in/yaml/v4"
	_ "log/slog"
)
