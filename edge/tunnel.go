package edge

import (
	"io"
	"time"

	"github.com/holdfast-edge/holdfast/edge/exchange"
	"github.com/holdfast-edge/holdfast/edge/http1"
	"github.com/holdfast-edge/holdfast/edge/upstream"
)

// halfOpen is how long an app may go on after its client has ended.
const halfOpen = time.Minute

// tunnel connects client and app after a switch of protocols (RFC 9110, section
// 7.8) until both have ended, or one breaks.
func (f *flight) tunnel(conn *upstream.Conn, head *http1.Response) {
	h := exchange.AnswerHead{Status: 101, Fields: head.Fields, NoBody: true}
	if err := f.begin(&h); err != nil {
		conn.Discard(false)
		f.lost("the client left before it was answered")
		return
	}
	app := conn.Detach()
	defer app.Close()
	client, err := f.x.Answer.Tunnel(app)
	if err != nil {
		f.lost("the client left before it was answered")
		return
	}
	defer client.Close()
	done := make(chan int64)
	go func() {
		n, err := io.Copy(app, client)
		if err != nil || app.CloseWrite() != nil {
			_ = app.Close()
			_ = client.Close()
		}
		app.Expire(halfOpen)
		done <- n
	}()
	f.tunnelSent, err = io.Copy(client, app)
	if err != nil || client.CloseWrite() != nil {
		_ = app.Close()
		_ = client.Close()
	}
	f.tunnelRead = <-done
}
