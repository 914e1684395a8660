// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"encoding/json"
	"io"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxAdminBody bounds what is read of a request of Admin.
const maxAdminBody = 1 << 20

// advance is the body of POST /ecs/advance.
type advance struct {
	By metav1.Duration `json:"by"`
}

// Admin serves, as JSON, what is not part of ECS but lets a program or a shell look into the service and change it:
//
//	GET  /ecs/inventory?account=<id>  Inventory
//	POST /ecs/advance                 Advance, {"by": "1h"}
//	PUT  /ecs/durations               SetDurations
//	PUT  /ecs/quotas                  SetQuotas
//	PUT  /ecs/throttling              SetThrottling
func (s *Service) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ecs/inventory", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		// An Inventory can be encoded: an error means that the client has gone.
		_ = json.NewEncoder(w).Encode(s.Inventory(r.URL.Query().Get("account")))
	})
	mux.Handle("POST /ecs/advance", applied(func(a advance) { s.Advance(a.By.Duration) }))
	mux.Handle("PUT /ecs/durations", applied(s.SetDurations))
	mux.Handle("PUT /ecs/quotas", applied(s.SetQuotas))
	mux.Handle("PUT /ecs/throttling", applied(s.SetThrottling))
	return mux
}

// applied answers requests by giving their body to a method. A field that is not known is an error.
func applied[T any](apply func(T)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var value T
		decoder := json.NewDecoder(io.LimitReader(r.Body, maxAdminBody))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&value); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		apply(value)
		w.WriteHeader(http.StatusNoContent)
	})
}
