// SPDX-License-Identifier: Apache-2.0

package notes_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/notes"
)

const (
	namespace = "velero"
	keeper    = "disks"
)

func newClient(t *testing.T, funcs interceptor.Funcs) client.Client {
	t.Helper()
	scheme, err := cluster.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(funcs).Build()
}

func metadata(name string, uid types.UID) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, UID: uid}
}

func backup(uid types.UID) notes.Run {
	return notes.OfBackup(&velerov1.Backup{ObjectMeta: metadata("daily", uid)})
}

func restore(uid types.UID) notes.Run {
	return notes.OfRestore(&velerov1.Restore{ObjectMeta: metadata("daily", uid)})
}

func TestNotesAreOfOneSubjectOfOneRun(t *testing.T) {
	t.Parallel()
	log := notes.New(cluster.New(newClient(t, interceptor.Funcs{}), namespace), keeper)
	long := strings.Repeat("p", 253)
	must(t, log.Note(t.Context(), backup("1"), "pv-1", "before"))
	must(t, log.Note(t.Context(), backup("1"), "pv-1", "job-1"))
	must(t, log.Note(t.Context(), backup("1"), long, "job-2"))
	must(t, log.Note(t.Context(), restore("1"), "pv-1", "job-3"))
	must(t, log.Note(t.Context(), restore("2"), "pv-1", "job-4"))
	must(t, log.Forget(t.Context(), restore("2"), "pv-1"))
	must(t, log.Forget(t.Context(), restore("2"), "pv-1"))
	tests := []struct {
		name    string
		run     notes.Run
		subject string
		want    string
	}{
		{"the last text of a subject", backup("1"), "pv-1", "job-1"},
		{"a subject with the longest of names", backup("1"), long, "job-2"},
		{"a restore with the UID of a backup", restore("1"), "pv-1", "job-3"},
		{"a subject that was forgotten", restore("2"), "pv-1", ""},
		{"a backup of the same name", backup("2"), "pv-1", ""},
		{"another subject", backup("1"), "pv-2", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, found, err := log.Find(t.Context(), tt.run, tt.subject)
			must(t, err)
			if got != tt.want || found != (tt.want != "") {
				t.Errorf("found %q, %t, want %q", got, found, tt.want)
			}
		})
	}
}

func TestNotesOfOthersAreNotSeen(t *testing.T) {
	t.Parallel()
	here := cluster.New(newClient(t, interceptor.Funcs{}), namespace)
	ours, theirs := notes.New(here, keeper), notes.New(here, "files")
	must(t, ours.Note(t.Context(), backup("1"), "pv-1", "our snapshot"))
	must(t, theirs.Note(t.Context(), backup("1"), "pv-1", "their job"))
	must(t, theirs.Sweep(t.Context(), func(context.Context) (map[types.UID]bool, error) { return nil, nil },
		func(_ context.Context, _ types.UID, text string) error {
			if text != "their job" {
				t.Errorf("they end %s", text)
			}
			return nil
		}))
	text, found, err := ours.Find(t.Context(), backup("1"), "pv-1")
	if text != "our snapshot" || !found || err != nil {
		t.Errorf("ours is %q, %t, error %v", text, found, err)
	}
}

func TestAllNotesOfARun(t *testing.T) {
	t.Parallel()
	log := notes.New(cluster.New(newClient(t, interceptor.Funcs{}), namespace), keeper)
	must(t, log.Note(t.Context(), backup("1"), "pv-1", "job-1"))
	must(t, log.Note(t.Context(), backup("1"), "pv-2", "job-2"))
	must(t, log.Note(t.Context(), backup("2"), "pv-1", "job-3"))
	for uid, want := range map[types.UID]map[string]string{
		"1": {"pv-1": "job-1", "pv-2": "job-2"},
		"2": {"pv-1": "job-3"},
		"3": {},
	} {
		got, err := log.All(t.Context(), backup(uid))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("the notes of the backup %s, error %v (-want +got):\n%s", uid, err, diff)
		}
	}
}

// TestANoteGoesWithItsRun holds what Kubernetes needs to delete it, and people to know it.
func TestANoteGoesWithItsRun(t *testing.T) {
	t.Parallel()
	api := newClient(t, interceptor.Funcs{})
	must(t, notes.New(cluster.New(api, namespace), keeper).Note(t.Context(), backup("1"), "pv-1", "job-1"))
	var got corev1.ConfigMapList
	must(t, api.List(t.Context(), &got))
	want := []corev1.ConfigMap{{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace,
			Labels:    map[string]string{"alibabacloud.com/note": "disks", "alibabacloud.com/note-of": "1", "velero.io/exclude-from-backup": "true"},
			OwnerReferences: []metav1.OwnerReference{
				{APIVersion: "velero.io/v1", Kind: "Backup", Name: "daily", UID: "1"},
			},
		},
		Data: map[string]string{"subject": "pv-1", "text": "job-1"},
	}}
	if diff := cmp.Diff(want, got.Items, cmpopts.IgnoreFields(metav1.ObjectMeta{}, "Name", "ResourceVersion")); diff != "" {
		t.Errorf("the ConfigMaps (-want +got):\n%s", diff)
	}
}

func TestSweepRemovesTheNotesOfRunsThatAreOver(t *testing.T) {
	t.Parallel()
	log := notes.New(cluster.New(newClient(t, interceptor.Funcs{}), namespace), keeper)
	all := []struct {
		run           notes.Run
		subject, text string
		left          bool
	}{
		{backup("over"), "pv-1", "job-1", false},
		{backup("over"), "pv-2", "job-2", false},
		{backup("over"), "pv-3", "stubborn", true},
		{restore("goes on"), "pv-1", "job-3", true},
	}
	for _, note := range all {
		must(t, log.Note(t.Context(), note.run, note.subject, note.text))
	}
	errUnknown, errStubborn := errors.New("not known"), errors.New("cannot be ended")
	var ended []string
	end := func(_ context.Context, _ types.UID, text string) error {
		ended = append(ended, text)
		if text == "stubborn" {
			return errStubborn
		}
		return nil
	}
	err := log.Sweep(t.Context(), func(context.Context) (map[types.UID]bool, error) { return nil, errUnknown }, end)
	if !errors.Is(err, errUnknown) || ended != nil {
		t.Errorf("where it is not known which runs are over: %q was ended, error %v", ended, err)
	}
	err = log.Sweep(t.Context(), func(ctx context.Context) (map[types.UID]bool, error) {
		must(t, log.Note(ctx, backup("begins meanwhile"), "pv-1", "job-4"))
		return map[types.UID]bool{"goes on": true, "over": false}, nil
	}, end)
	if !errors.Is(err, errStubborn) {
		t.Errorf("error %v", err)
	}
	if _, found, err := log.Find(t.Context(), backup("begins meanwhile"), "pv-1"); err != nil || !found {
		t.Errorf("the note of a run that begins meanwhile is there: %t, error %v", found, err)
	}
	slices.Sort(ended)
	if diff := cmp.Diff([]string{"job-1", "job-2", "stubborn"}, ended); diff != "" {
		t.Errorf("what was ended (-want +got):\n%s", diff)
	}
	for _, note := range all {
		if _, found, err := log.Find(t.Context(), note.run, note.subject); err != nil || found != note.left {
			t.Errorf("%s: it is left: %t, error %v", note.text, found, err)
		}
	}
}

func TestANoteThatIsRemovedWhileItIsReplacedIsKept(t *testing.T) {
	t.Parallel()
	log := notes.New(cluster.New(newClient(t, interceptor.Funcs{
		Update: func(ctx context.Context, api client.WithWatch, note client.Object, options ...client.UpdateOption) error {
			must(t, api.Delete(ctx, note))
			return api.Update(ctx, note, options...)
		},
	}), namespace), keeper)
	must(t, log.Note(t.Context(), backup("1"), "pv-1", "before"))
	must(t, log.Note(t.Context(), backup("1"), "pv-1", "job-1"))
	text, found, err := log.Find(t.Context(), backup("1"), "pv-1")
	must(t, err)
	if !found || text != "job-1" {
		t.Errorf("text %q, found %v", text, found)
	}
}

func TestWhatTheAPIServerRefusesIsTold(t *testing.T) {
	t.Parallel()
	errRefused := errors.New("refused")
	refusing := notes.New(cluster.New(newClient(t, interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return errRefused
		},
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
			return errRefused
		},
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return errRefused
		},
		Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error {
			return errRefused
		},
	}), namespace), keeper)
	absent := notes.New(cluster.Absent(errRefused), keeper)
	for _, log := range []*notes.Notes{refusing, absent} {
		_, _, findErr := log.Find(t.Context(), backup("1"), "pv-1")
		_, allErr := log.All(t.Context(), backup("1"))
		for call, err := range map[string]error{
			"Note":   log.Note(t.Context(), backup("1"), "pv-1", "job-1"),
			"Find":   findErr,
			"All":    allErr,
			"Forget": log.Forget(t.Context(), backup("1"), "pv-1"),
			"Sweep":  log.Sweep(t.Context(), func(context.Context) (map[types.UID]bool, error) { return nil, nil }, func(context.Context, types.UID, string) error { return nil }),
		} {
			if !errors.Is(err, errRefused) {
				t.Errorf("%s: error %v", call, err)
			}
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
