module github.com/holdfast-edge/holdfast

go 1.26
