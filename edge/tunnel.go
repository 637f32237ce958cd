package edge

import (
	"io"

	"github.com/holdfast-edge/holdfast/edge/exchange"
	"github.com/holdfast-edge/holdfast/edge/http1"
	"github.com/holdfast-edge/holdfast/edge/upstream"
)

// tunnel connects client and app after a switch of protocols (RFC 9110, section
// 7.8) until both have ended, or one breaks.
func (f *flight) tunnel(conn *upstream.Conn, head *http1.Response) {
	h := exchange.AnswerHead{Status: 101, Fields: head.Fields, NoBody: true}
	if err := f.begin(&h); err != nil {
		conn.Discard(false)
		f.lost("the client left before it was answered")
		return
	}
	client, err := f.x.Answer.Tunnel()
	if err != nil {
		conn.Discard(false)
		f.lost("the client left before it was answered")
		return
	}
	app := conn.Detach()
	defer app.Close()
	defer client.Close()
	done := make(chan int64)
	go func() {
		n, err := io.Copy(app, client)
		if err != nil || app.CloseWrite() != nil {
			_ = app.Close()
			_ = client.Close()
		}
		done <- n
	}()
	f.tunnelSent, err = io.Copy(client, app)
	if err != nil || client.CloseWrite() != nil {
		_ = app.Close()
		_ = client.Close()
	}
	f.tunnelRead = <-done
}
