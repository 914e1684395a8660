// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/admin"
)

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
		admin.Write(w, inventory)
	})
	mux.HandleFunc("GET /hbr/clusters", func(w http.ResponseWriter, _ *http.Request) { admin.Write(w, s.Clusters()) })
	mux.Handle("POST /hbr/agents", admin.Apply(s.AddAgent))
	mux.Handle("POST /hbr/advance", admin.Apply(func(a advance) error {
		s.Advance(a.By.Duration)
		return nil
	}))
	mux.Handle("PUT /hbr/durations", admin.Apply(func(d Durations) error {
		s.SetDurations(d)
		return nil
	}))
	return mux
}
