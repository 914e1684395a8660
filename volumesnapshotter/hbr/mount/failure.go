// SPDX-License-Identifier: Apache-2.0

package mount

import "fmt"

// timeout begins the errors of what was made in the cluster and does not become ready. It
// is the backup center's own sentence.
const timeout = "create cluster resources timeout"

// UnboundError is a temporary claim that has not become bound in time.
type UnboundError struct {
	Namespace, Name string
	// Event is what the cluster said last about it; empty for nothing.
	Event string
}

// Error has the backup center's own sentences.
func (e *UnboundError) Error() string {
	text := fmt.Sprintf(timeout+": wait for created tmp pvc %s/%s for convertion bound time out", //nolint:misspell // So the backup center writes it.
		e.Namespace, e.Name)
	return withEvent(text, e.Event)
}

// NotRunningError is a temporary Pod that has not begun to run in time.
type NotRunningError struct {
	Namespace, Name string
	// Node is where it was to run; empty where no node was found for it.
	Node string
	// Event is what the cluster said last about it; empty for nothing.
	Event string
}

// Error begins with the backup center's own sentence.
func (e *NotRunningError) Error() string {
	text := fmt.Sprintf(timeout+": the pod %s/%s ", e.Namespace, e.Name)
	if e.Node == "" {
		return withEvent(text+"has no node", e.Event)
	}
	return withEvent(text+"does not run on node "+e.Node, e.Event)
}

func withEvent(text, event string) string {
	if event == "" {
		return text
	}
	return text + ": " + event
}
