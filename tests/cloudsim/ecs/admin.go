// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"errors"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/admin"
)

// advance is the body of POST /ecs/advance.
type advance struct {
	By metav1.Duration `json:"by"`
}

// Attachment is of which disk and instance a request below /ecs/attachments is.
type Attachment struct {
	Disk     string `json:"disk"`
	Instance string `json:"instance"`
}

// Admin serves, as JSON, what is not part of ECS but lets a program or a shell look into the service and change it:
//
//	GET    /ecs/inventory?account=<id>  Inventory
//	POST   /ecs/attachments             Attach, {"disk": "d-…", "instance": "i-…"}, answered by DiskDir, {"dir": "/…"}
//	DELETE /ecs/attachments             DetachFrom, {"disk": "d-…", "instance": "i-…"}. The disk may be gone
//	POST   /ecs/advance                 Advance, {"by": "1h"}
//	PUT    /ecs/durations               SetDurations
//	PUT    /ecs/quotas                  SetQuotas
//	PUT    /ecs/throttling              SetThrottling
func (s *Service) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ecs/inventory", func(w http.ResponseWriter, r *http.Request) {
		admin.Write(w, s.Inventory(r.URL.Query().Get("account")))
	})
	mux.Handle("POST /ecs/attachments", admin.Answer(func(a Attachment) (admin.Directory, error) {
		if err := s.Attach(a.Disk, a.Instance); err != nil {
			return admin.Directory{}, err
		}
		dir, err := s.DiskDir(a.Disk)
		return admin.Directory{Dir: dir}, err
	}))
	mux.Handle("DELETE /ecs/attachments", admin.Apply(func(a Attachment) error {
		if err := s.DetachFrom(a.Disk, a.Instance); !errors.Is(err, ErrNotFound) {
			return err
		}
		return nil
	}))
	mux.Handle("POST /ecs/advance", applied(func(a advance) { s.Advance(a.By.Duration) }))
	mux.Handle("PUT /ecs/durations", applied(s.SetDurations))
	mux.Handle("PUT /ecs/quotas", applied(s.SetQuotas))
	mux.Handle("PUT /ecs/throttling", applied(s.SetThrottling))
	return mux
}

// applied is admin.Apply for a method that can not fail.
func applied[T any](apply func(T)) http.Handler {
	return admin.Apply(func(value T) error {
		apply(value)
		return nil
	})
}
