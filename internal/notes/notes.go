// SPDX-License-Identifier: Apache-2.0

// Package notes keeps what is known of the things that a backup or a restore has begun in
// the cloud, until they have ended: a plugin process lives for one backup, one restore, or
// one poll of their operations, and the next one must find what the one before has begun.
//
// Each note is a ConfigMap in Velero's namespace that the Backup or Restore owns, so
// that Kubernetes deletes with it whatever was left.
package notes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// labelNote is on the ConfigMaps of notes: whose they are.
	labelNote = "alibabacloud.com/note"
	// labelRun is the UID of the Backup or Restore.
	labelRun = "alibabacloud.com/note-of"
	// Keys of the data.
	dataText    = "text"
	dataSubject = "subject"
)

// Cluster is the cluster that Velero runs in.
type Cluster interface {
	// Namespace returns the namespace that Velero is installed in.
	Namespace() string
	// Client returns a client that knows the types of core/v1.
	Client() (client.Client, error)
}

// Run is a backup or a restore.
type Run struct {
	kind, name string
	uid        types.UID
}

// OfBackup returns a backup.
func OfBackup(backup *velerov1.Backup) Run { return Run{"Backup", backup.Name, backup.UID} }

// OfRestore returns a restore.
func OfRestore(restore *velerov1.Restore) Run { return Run{"Restore", restore.Name, restore.UID} }

// Notes keeps a text for each subject of a run, such as a PersistentVolume's name. It is
// safe for concurrent use.
type Notes struct {
	cluster Cluster
	keeper  string
}

// New returns the notes in a cluster that are of the keeper, a value of a label; those of
// others are not seen. It contacts nothing.
func New(in Cluster, keeper string) *Notes { return &Notes{cluster: in, keeper: keeper} }

// Note keeps a text, in place of the one before.
func (n *Notes) Note(ctx context.Context, run Run, subject, text string) error {
	api, err := n.cluster.Client()
	if err != nil {
		return err
	}
	note := n.note(run, subject)
	note.Labels = map[string]string{labelNote: n.keeper, labelRun: string(run.uid), velerov1.ExcludeFromBackupLabel: "true"}
	note.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: velerov1.SchemeGroupVersion.String(), Kind: run.kind, Name: run.name, UID: run.uid,
	}}
	note.Data = map[string]string{dataText: text, dataSubject: subject}
	err = api.Create(ctx, note)
	if apierrors.IsAlreadyExists(err) {
		err = api.Update(ctx, note)
	}
	if apierrors.IsNotFound(err) { // It was removed in between.
		err = api.Create(ctx, note)
	}
	if err != nil {
		return fmt.Errorf("noting in the ConfigMap %s/%s what was begun of %s: %w", note.Namespace, note.Name, subject, err)
	}
	return nil
}

// Find returns the text of a subject, and whether there is one.
func (n *Notes) Find(ctx context.Context, run Run, subject string) (text string, found bool, err error) {
	api, err := n.cluster.Client()
	if err != nil {
		return "", false, err
	}
	note := n.note(run, subject)
	err = api.Get(ctx, client.ObjectKeyFromObject(note), note)
	switch {
	case apierrors.IsNotFound(err):
		return "", false, nil
	case err != nil:
		return "", false, fmt.Errorf("reading in the ConfigMap %s/%s what was begun of %s: %w", note.Namespace, note.Name, subject, err)
	}
	return note.Data[dataText], true, nil
}

// All returns the texts of all subjects of a run.
func (n *Notes) All(ctx context.Context, run Run) (map[string]string, error) {
	found, err := n.list(ctx, client.MatchingLabels{labelNote: n.keeper, labelRun: string(run.uid)})
	if err != nil {
		return nil, err
	}
	texts := make(map[string]string, len(found))
	for i := range found {
		texts[found[i].Data[dataSubject]] = found[i].Data[dataText]
	}
	return texts, nil
}

func (n *Notes) list(ctx context.Context, labels client.MatchingLabels) ([]corev1.ConfigMap, error) {
	api, err := n.cluster.Client()
	if err != nil {
		return nil, err
	}
	var found corev1.ConfigMapList
	if err := api.List(ctx, &found, client.InNamespace(n.cluster.Namespace()), labels); err != nil {
		return nil, fmt.Errorf("listing the ConfigMaps of notes: %w", err)
	}
	return found.Items, nil
}

// Forget removes the text of a subject. None is no error.
func (n *Notes) Forget(ctx context.Context, run Run, subject string) error {
	api, err := n.cluster.Client()
	if err != nil {
		return err
	}
	note := n.note(run, subject)
	if err := api.Delete(ctx, note); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the ConfigMap %s/%s of what was begun of %s: %w", note.Namespace, note.Name, subject, err)
	}
	return nil
}

// Sweep removes the texts of runs that are over, after end has ended what they tell of: one
// whose end fails stays for the next sweep. live returns the runs that are not; it is asked
// after the texts were listed, so that of a run that begins meanwhile none is removed.
func (n *Notes) Sweep(ctx context.Context, live func(context.Context) (map[types.UID]bool, error), end func(ctx context.Context, run types.UID, text string) error) error {
	api, err := n.cluster.Client()
	if err != nil {
		return err
	}
	found, err := n.list(ctx, client.MatchingLabels{labelNote: n.keeper})
	if err != nil || len(found) == 0 {
		return err
	}
	going, err := live(ctx)
	if err != nil {
		return err
	}
	var problems []error
	for i := range found {
		if owners := found[i].OwnerReferences; len(owners) != 1 || going[owners[0].UID] {
			continue // A note without an owner was changed by somebody.
		}
		problems = append(problems, sweep(ctx, api, &found[i], end))
	}
	return errors.Join(problems...)
}

// sweep ends what the note of a run that is over tells of, and removes it.
func sweep(ctx context.Context, api client.Client, note *corev1.ConfigMap, end func(ctx context.Context, run types.UID, text string) error) error {
	if err := end(ctx, note.OwnerReferences[0].UID, note.Data[dataText]); err != nil {
		return fmt.Errorf("ending what a run that is over has begun of %s: %w", note.Data[dataSubject], err)
	}
	if err := api.Delete(ctx, note); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the ConfigMap %s/%s of a run that is over: %w", note.Namespace, note.Name, err)
	}
	return nil
}

// note is the ConfigMap of a subject. Names of subjects may be as long as its own.
func (n *Notes) note(run Run, subject string) *corev1.ConfigMap {
	sum := sha256.Sum256([]byte(strings.Join([]string{n.keeper, run.kind, string(run.uid), subject}, "\n")))
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Namespace: n.cluster.Namespace(), Name: "note-" + hex.EncodeToString(sum[:16]),
	}}
}
