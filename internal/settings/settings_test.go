// SPDX-License-Identifier: Apache-2.0

package settings_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// fakeCluster has the ConfigMaps of Velero's namespace.
type fakeCluster struct {
	configMaps []corev1.ConfigMap

	mu sync.Mutex
	// lists counts the requests.
	lists int
	// err is returned by the next list.
	err error
}

func (c *fakeCluster) ConfigMaps(_ context.Context, label string) ([]corev1.ConfigMap, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lists++
	if err := c.err; err != nil {
		c.err = nil
		return nil, err
	}
	var found []corev1.ConfigMap
	for _, configMap := range c.configMaps {
		if _, ok := configMap.Labels[label]; ok {
			found = append(found, configMap)
		}
	}
	return found, nil
}

// greeting is what the ConfigMaps of these tests say.
type greeting struct {
	Text string `json:"text"`
}

type option func(*corev1.ConfigMap)

func label(key, value string) option {
	return func(c *corev1.ConfigMap) { c.Labels[key] = value }
}

func annotation(key, value string) option {
	return func(c *corev1.ConfigMap) { c.Annotations = map[string]string{key: value} }
}

// configMap returns velero/<name>, which says text.
func configMap(name, text string, options ...option) corev1.ConfigMap {
	c := corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "velero",
			Name:      name,
			Labels:    map[string]string{settings.LabelPluginConfig: ""},
		},
		Data: map[string]string{"text": text},
	}
	for _, option := range options {
		option(&c)
	}
	return c
}

func restore(name, uid string) settings.Run {
	return settings.ForRestore(&velerov1.Restore{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(uid)}})
}

func backup(name string) settings.Run {
	return settings.ForBackup(&velerov1.Backup{ObjectMeta: metav1.ObjectMeta{Name: name}})
}

func TestSettingsOfARun(t *testing.T) {
	t.Parallel()
	ours := label("alibabacloud.com/greet", "RestoreItemAction")
	upstream := label("velero.io/greet", "RestoreItemAction")
	forShop := annotation(settings.AnnotationRestore, "shop")
	cases := map[string]struct {
		configMaps []corev1.ConfigMap
		run        settings.Run
		upstream   bool
		want       greeting
		wantFound  bool
		wantErr    string
	}{
		"without a ConfigMap nothing is found": {
			run: restore("shop", "1"),
		},
		"the ConfigMap with the action's label holds": {
			configMaps: []corev1.ConfigMap{configMap("a", "hello", ours)},
			run:        restore("shop", "1"),
			want:       greeting{Text: "hello"}, wantFound: true,
		},
		"a ConfigMap of another action does not hold": {
			configMaps: []corev1.ConfigMap{configMap("a", "hello", label("alibabacloud.com/part", "RestoreItemAction"))},
			run:        restore("shop", "1"),
		},
		"a ConfigMap of upstream's action of that name does not hold": {
			configMaps: []corev1.ConfigMap{configMap("a", "hello", upstream)},
			run:        restore("shop", "1"),
		},
		"a ConfigMap whose label is of the other kind of actions is an error, for the action is of one kind": {
			configMaps: []corev1.ConfigMap{configMap("a", "hello", label("alibabacloud.com/greet", "BackupItemAction"))},
			run:        restore("shop", "1"),
			wantErr:    `the ConfigMap velero/a has the label alibabacloud.com/greet with the value "BackupItemAction", under which nothing is read: allowed is RestoreItemAction`,
		},
		"a ConfigMap whose label is of no kind of actions is an error, for it would hold nowhere": {
			configMaps: []corev1.ConfigMap{configMap("a", "hello", label("alibabacloud.com/greet", "restoreitemaction"))},
			run:        restore("shop", "1"),
			wantErr:    `the ConfigMap velero/a has the label alibabacloud.com/greet with the value "restoreitemaction", under which nothing is read: allowed is RestoreItemAction`,
		},
		"a label of no kind is an error in a backup too": {
			configMaps: []corev1.ConfigMap{configMap("a", "hello", label("alibabacloud.com/greet", ""))},
			run:        backup("nightly"),
			wantErr:    `the ConfigMap velero/a has the label alibabacloud.com/greet with the value "", under which nothing is read: allowed is BackupItemAction`,
		},
		"a label of no kind on the ConfigMap for another restore does not matter": {
			configMaps: []corev1.ConfigMap{configMap("a", "hello", ours), configMap("b", "hello, shop", label("alibabacloud.com/greet", "true"), forShop)},
			run:        restore("bank", "1"),
			want:       greeting{Text: "hello"}, wantFound: true,
		},
		"a label of no kind on the general ConfigMap does not matter where one is for the restore": {
			configMaps: []corev1.ConfigMap{configMap("a", "hello", label("alibabacloud.com/greet", "true")), configMap("b", "hello, shop", ours, forShop)},
			run:        restore("shop", "1"),
			want:       greeting{Text: "hello, shop"}, wantFound: true,
		},
		"a label of no kind is upstream's business where the action is": {
			configMaps: []corev1.ConfigMap{configMap("a", "hello", label("velero.io/greet", "true"))},
			run:        restore("shop", "1"),
			upstream:   true,
		},
		"the ConfigMap for one restore wins over the general one": {
			configMaps: []corev1.ConfigMap{configMap("a", "hello", ours), configMap("b", "hello, shop", ours, forShop)},
			run:        restore("shop", "1"),
			want:       greeting{Text: "hello, shop"}, wantFound: true,
		},
		"the ConfigMap for another restore does not hold": {
			configMaps: []corev1.ConfigMap{configMap("a", "hello", ours), configMap("b", "hello, shop", ours, forShop)},
			run:        restore("bank", "1"),
			want:       greeting{Text: "hello"}, wantFound: true,
		},
		"the ConfigMap for one backup holds there": {
			configMaps: []corev1.ConfigMap{configMap("a", "hello", label("alibabacloud.com/greet", "BackupItemAction"), annotation(settings.AnnotationBackup, "nightly"))},
			run:        backup("nightly"),
			want:       greeting{Text: "hello"}, wantFound: true,
		},
		"two general ConfigMaps are an error": {
			configMaps: []corev1.ConfigMap{configMap("b", "1", ours), configMap("a", "2", ours)},
			run:        restore("shop", "1"),
			wantErr: "the ConfigMaps velero/a and velero/b have the label alibabacloud.com/greet and hold equally: " +
				"keep one of them, or let the annotation alibabacloud.com/restore tell them apart",
		},
		"two ConfigMaps for one restore are an error even where a general one is there": {
			configMaps: []corev1.ConfigMap{configMap("b", "1", ours, forShop), configMap("a", "2", ours, forShop), configMap("c", "3", ours)},
			run:        restore("shop", "1"),
			wantErr: "the ConfigMaps velero/a and velero/b have the label alibabacloud.com/greet and hold equally: " +
				"keep one of them, or let the annotation alibabacloud.com/restore tell them apart",
		},
		"two general ConfigMaps do not matter where one is for the restore": {
			configMaps: []corev1.ConfigMap{configMap("b", "1", ours), configMap("a", "2", ours), configMap("c", "3", ours, forShop)},
			run:        restore("shop", "1"),
			want:       greeting{Text: "3"}, wantFound: true,
		},
		"a mistake names the ConfigMap": {
			configMaps: []corev1.ConfigMap{{ObjectMeta: configMap("a", "", ours).ObjectMeta}},
			run:        restore("shop", "1"),
			wantErr:    `ConfigMap velero/a: the key "text" is missing`,
		},
		"upstream's ConfigMap holds for every restore, as upstream reads it": {
			configMaps: []corev1.ConfigMap{configMap("a", "hello", upstream, annotation(settings.AnnotationRestore, "bank"))},
			run:        restore("shop", "1"),
			upstream:   true,
			want:       greeting{Text: "hello"}, wantFound: true,
		},
		"two ConfigMaps of upstream's are an error, as they are there": {
			configMaps: []corev1.ConfigMap{configMap("b", "1", upstream), configMap("a", "2", upstream, forShop)},
			run:        restore("shop", "1"),
			upstream:   true,
			wantErr:    "the ConfigMaps velero/a and velero/b have the label velero.io/greet and hold equally: keep one of them",
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reader := settings.NewReader(&fakeCluster{configMaps: test.configMaps})
			greet := settings.Of[greeting](reader, "alibabacloud.com/greet")
			if test.upstream {
				greet = settings.OfUpstream[greeting](reader, "velero.io/greet")
			}
			got, found, err := greet.Read(t.Context(), test.run)
			if text(err) != test.wantErr {
				t.Fatalf("error %q, want %q", text(err), test.wantErr)
			}
			if diff := cmp.Diff(test.want, got); diff != "" || found != test.wantFound {
				t.Errorf("found %v, want %v; settings (-want +got):\n%s", found, test.wantFound, diff)
			}
		})
	}
}

// TestOneListForARun asks from many goroutines and two actions.
func TestOneListForARun(t *testing.T) {
	t.Parallel()
	cluster := &fakeCluster{configMaps: []corev1.ConfigMap{
		configMap("a", "hello", label("alibabacloud.com/greet", "RestoreItemAction")),
		configMap("b", "bye", label("alibabacloud.com/part", "RestoreItemAction")),
	}}
	reader := settings.NewReader(cluster)
	greet, part := settings.Of[greeting](reader, "alibabacloud.com/greet"), settings.Of[greeting](reader, "alibabacloud.com/part")
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			hello, _, err := greet.Read(t.Context(), restore("shop", "1"))
			bye, _, err2 := part.Read(t.Context(), restore("shop", "1"))
			if diff := cmp.Diff([]greeting{{"hello"}, {"bye"}}, []greeting{hello, bye}); diff != "" || err != nil || err2 != nil {
				t.Errorf("errors %v, %v; settings (-want +got):\n%s", err, err2, diff)
			}
		})
	}
	wg.Wait()
	if cluster.lists != 1 {
		t.Errorf("%d lists, want 1", cluster.lists)
	}
}

func TestAnotherRestoreReadsAnew(t *testing.T) {
	t.Parallel()
	cluster := &fakeCluster{configMaps: []corev1.ConfigMap{configMap("a", "before", label("alibabacloud.com/greet", "RestoreItemAction"))}}
	greet := settings.Of[greeting](settings.NewReader(cluster), "alibabacloud.com/greet")
	var got []greeting
	for _, uid := range []string{"1", "1", "2"} {
		value, _, err := greet.Read(t.Context(), restore("shop", uid))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, value)
		cluster.configMaps = []corev1.ConfigMap{configMap("a", "after", label("alibabacloud.com/greet", "RestoreItemAction"))}
	}
	if diff := cmp.Diff([]greeting{{"before"}, {"before"}, {"after"}}, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestAnErrorOfTheServerDoesNotStay(t *testing.T) {
	t.Parallel()
	errServer := errors.New("the server is away")
	cluster := &fakeCluster{
		configMaps: []corev1.ConfigMap{configMap("a", "hello", label("alibabacloud.com/greet", "RestoreItemAction"))},
		err:        errServer,
	}
	greet := settings.Of[greeting](settings.NewReader(cluster), "alibabacloud.com/greet")
	if _, _, err := greet.Read(t.Context(), restore("shop", "1")); !errors.Is(err, errServer) {
		t.Errorf("error %v, want %v", err, errServer)
	}
	got, found, err := greet.Read(t.Context(), restore("shop", "1"))
	if diff := cmp.Diff(greeting{Text: "hello"}, got); diff != "" || !found || err != nil {
		t.Errorf("found %v, error %v; settings (-want +got):\n%s", found, err, diff)
	}
}

// text is the text of an error, "" for none.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
