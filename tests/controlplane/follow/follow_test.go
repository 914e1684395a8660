// SPDX-License-Identifier: Apache-2.0

package follow_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/follow"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
)

var errDown = errors.New("the API server is down")

// record is what rounds and reports were.
type record struct {
	mu       sync.Mutex
	seen     []string
	reported []error
}

func (r *record) report(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reported = append(r.reported, err)
}

func (r *record) has(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.seen, name)
}

func (r *record) hasReported(err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.reported, func(e error) bool { return errors.Is(e, err) })
}

// sees is a round that notes the names of all Services.
func (r *record) sees(api client.Client) func(context.Context) error {
	return func(ctx context.Context) error {
		var all corev1.ServiceList
		if err := api.List(ctx, &all); err != nil {
			return err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for i := range all.Items {
			r.seen = append(r.seen, all.Items[i].Name)
		}
		return nil
	}
}

func create(t *testing.T, api client.Client, name string) {
	t.Helper()
	if err := api.Create(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}); err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	err := poll.Until(t.Context(), 20*time.Second, what, func(context.Context) error {
		if !done() {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestARoundFollowsAChange(t *testing.T) {
	t.Parallel()
	api, r := fake.NewClientBuilder().Build(), &record{}
	f, err := follow.Start(t.Context(), follow.Options{
		Client: api, Lists: []client.ObjectList{&corev1.ServiceList{}}, Round: r.sees(api), Report: r.report,
	})
	if err != nil {
		t.Fatal(err)
	}
	create(t, api, "web")
	eventually(t, "the round after the change", func() bool { return r.has("web") })
	f.Stop()
	f.Stop()
	create(t, api, "late")
	if r.has("late") {
		t.Error("a round after Stop")
	}
	if len(r.reported) > 0 {
		t.Errorf("reported: %v", r.reported)
	}
}

// TestAClusterThatIsOutOfReachIsFollowedAgain ends the only watch and refuses others for a while.
func TestAClusterThatIsOutOfReachIsFollowedAgain(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var down bool
	var watches []watch.Interface
	set := func(to bool) {
		mu.Lock()
		defer mu.Unlock()
		down = to
	}
	base := fake.NewClientBuilder().Build()
	api := interceptor.NewClient(base, interceptor.Funcs{
		Watch: func(ctx context.Context, api client.WithWatch, list client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
			mu.Lock()
			defer mu.Unlock()
			if down {
				return nil, errDown
			}
			watched, err := api.Watch(ctx, list, options...)
			watches = append(watches, watched)
			return watched, err
		},
	})
	r := &record{}
	f, err := follow.Start(t.Context(), follow.Options{
		Client: api, Lists: []client.ObjectList{&corev1.ServiceList{}}, Round: r.sees(base), Report: r.report,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Stop)
	set(true)
	mu.Lock()
	watches[0].Stop()
	mu.Unlock()
	eventually(t, "the report", func() bool { return r.hasReported(errDown) })
	set(false)
	eventually(t, "another watch", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(watches) > 1
	})
	create(t, base, "web")
	eventually(t, "the round after the change", func() bool { return r.has("web") })
}

func TestAWatchThatIsRefusedAtFirstIsAnError(t *testing.T) {
	t.Parallel()
	api := interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
		Watch: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
			return nil, errDown
		},
	})
	_, err := follow.Start(t.Context(), follow.Options{Client: api, Lists: []client.ObjectList{&corev1.ServiceList{}}})
	if !errors.Is(err, errDown) {
		t.Errorf("got %v, want %v", err, errDown)
	}
}
