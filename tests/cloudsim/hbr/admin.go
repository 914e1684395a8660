// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"encoding/json"
	"io"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxAdminBody bounds what is read of a request of Admin.
const maxAdminBody = 1 << 20

// advance is the body of POST /hbr/advance.
type advance struct {
	By metav1.Duration `json:"by"`
}

// Admin serves, as JSON, what is not part of Cloud Backup but lets a program or a shell look into the service and change
// it:
//
//	GET  /hbr/inventory?account=<id>  Inventory
//	GET  /hbr/clusters                Clusters
//	POST /hbr/agents                  AddAgent, {"cluster": "cc-…", "token": "…", "node": "…", "root": "/…"}
//	POST /hbr/advance                 Advance, {"by": "1h"}
//	PUT  /hbr/durations               SetDurations
func (s *Service) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hbr/inventory", func(w http.ResponseWriter, r *http.Request) {
		inventory, err := s.Inventory(r.URL.Query().Get("account"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		write(w, inventory)
	})
	mux.HandleFunc("GET /hbr/clusters", func(w http.ResponseWriter, _ *http.Request) { write(w, s.Clusters()) })
	mux.Handle("POST /hbr/agents", applied(s.AddAgent))
	mux.Handle("POST /hbr/advance", applied(func(a advance) error {
		s.Advance(a.By.Duration)
		return nil
	}))
	mux.Handle("PUT /hbr/durations", applied(func(d Durations) error {
		s.SetDurations(d)
		return nil
	}))
	return mux
}

func write(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	// What comes here can be encoded: an error means that the client has gone.
	_ = json.NewEncoder(w).Encode(value)
}

// applied answers requests by giving their body to a method. A field that is not known is an error.
func applied[T any](apply func(T) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var value T
		decoder := json.NewDecoder(io.LimitReader(r.Body, maxAdminBody))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&value)
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
