// SPDX-License-Identifier: Apache-2.0

// Package admin is how the services of the simulated cloud answer the requests that no real one has: JSON by which a
// program or a shell looks into them and changes them.
package admin

import (
	"encoding/json"
	"io"
	"net/http"
)

// maxBody bounds what is read of a request.
const maxBody = 1 << 20

// Apply answers requests by giving their body to a method. A field that is not known is an error.
func Apply[T any](apply func(T) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		value, err := read[T](r)
		if err == nil {
			err = apply(value)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// Answer is Apply for a method that returns something.
func Answer[T, R any](answer func(T) (R, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var result R
		value, err := read[T](r)
		if err == nil {
			result, err = answer(value)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		Write(w, result)
	})
}

func read[T any](r *http.Request) (T, error) {
	var value T
	decoder := json.NewDecoder(io.LimitReader(r.Body, maxBody))
	decoder.DisallowUnknownFields()
	return value, decoder.Decode(&value)
}

// Write answers with a value that can be encoded as JSON.
func Write(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	// What comes here can be encoded: an error means that the client has gone.
	_ = json.NewEncoder(w).Encode(value)
}

// Directory is where something of the cloud is on this machine.
type Directory struct {
	Dir string `json:"dir"`
}
