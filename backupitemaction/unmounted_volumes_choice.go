// SPDX-License-Identifier: Apache-2.0

package backupitemaction

import (
	"context"
	"fmt"
	"slices"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// LabelSkipUnmounted is the label by which one Backup leaves out the data of claims that no
// running Pod mounts ("true"), or does not ("false"), whatever the settings say. Backups of
// a Schedule have its labels.
const LabelSkipUnmounted = "alibabacloud.com/skip-unmounted-volumes"

// pageSize is how many objects are asked for at a time: a Pod can have tens of KiB, and a
// cluster many thousands of them.
const pageSize = 250

// claims are names of claims.
type claims = sets.Set[types.NamespacedName]

// choice says which volumes a Backup leaves out. Its zero value leaves out none.
type choice struct {
	// mounted are the claims that Pods mount, if all others are left out; else it is nil.
	mounted claims
	// selected are left out by their labels.
	selected claims
	// drop says that the objects are left out too.
	drop bool
}

// reason says why the volume of a claim is left out, "" if it is not. That of no claim is
// not.
func (c *choice) reason(claim types.NamespacedName) string {
	switch {
	case claim.Name == "":
		return ""
	case c.selected.Has(claim):
		return fmt.Sprintf("the settings select the claim %s by its labels", claim)
	case c.mounted != nil && !c.mounted.Has(claim):
		return fmt.Sprintf("no running Pod mounts the claim %s", claim)
	default:
		return ""
	}
}

// choose finds out what the Backup leaves out. What cannot be read leaves out nothing.
func (a *UnmountedVolumes) choose(ctx context.Context, backup *velerov1.Backup) choice {
	set, _, err := a.settings.Read(ctx, settings.ForBackup(backup))
	if err != nil {
		a.log.WithError(err).Error("Cannot read which volumes are left out: the data of all is backed up")
		return choice{}
	}
	chosen := choice{drop: set.DropObjects}
	if a.skipsUnmounted(backup, set.SkipUnmounted) {
		if chosen.mounted, err = a.mountedClaims(ctx); err != nil {
			a.log.WithError(err).Warn("Cannot tell which claims Pods mount: the data of unmounted ones is backed up too")
		}
	}
	if set.Selector != nil {
		if chosen.selected, err = a.selectedClaims(ctx, set.Selector.Labels()); err != nil {
			a.log.WithError(err).Warn("Cannot tell which claims the selector of the settings is for: their data is backed up too")
		}
	}
	return chosen
}

// skipsUnmounted tells whether the Backup leaves out what is not mounted: by its label, else
// by the settings.
func (a *UnmountedVolumes) skipsUnmounted(backup *velerov1.Backup, bySettings bool) bool {
	value, labeled := backup.Labels[LabelSkipUnmounted]
	switch {
	case !labeled:
		return bySettings
	case value == "true":
		return true
	case value == "false":
		return false
	default:
		a.log.Errorf("The Backup has the label %s with the value %q, which is ignored: allowed are true, false", LabelSkipUnmounted, value)
		return bySettings
	}
}

// mountedClaims returns the claims that Pods mount, of all namespaces.
func (a *UnmountedVolumes) mountedClaims(ctx context.Context) (claims, error) {
	mounted := claims{}
	err := eachPage(ctx, a.cluster, func() *corev1.PodList { return &corev1.PodList{} }, func(page *corev1.PodList) {
		for i := range page.Items {
			mounted.Insert(claimsMountedBy(&page.Items[i])...)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("listing the Pods: %w", err)
	}
	return mounted, nil
}

// claimsMountedBy returns the claims that are mounted for a Pod: all of one that is on a
// node and has not ended. One that is Pending there may have its init containers running.
func claimsMountedBy(pod *corev1.Pod) []types.NamespacedName {
	if pod.Spec.NodeName == "" || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return nil
	}
	var mounted []types.NamespacedName
	for i := range pod.Spec.Volumes {
		source := &pod.Spec.Volumes[i]
		switch {
		case source.PersistentVolumeClaim != nil:
			mounted = append(mounted, types.NamespacedName{Namespace: pod.Namespace, Name: source.PersistentVolumeClaim.ClaimName})
		case source.Ephemeral != nil:
			// So Kubernetes names the claim (k8s.io/component-helpers/storage/ephemeral).
			mounted = append(mounted, types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name + "-" + source.Name})
		}
	}
	return mounted
}

// selectedClaims returns the claims of all namespaces that have the labels.
func (a *UnmountedVolumes) selectedClaims(ctx context.Context, selector labels.Selector) (claims, error) {
	selected := claims{}
	newPage := func() *corev1.PersistentVolumeClaimList { return &corev1.PersistentVolumeClaimList{} }
	err := eachPage(ctx, a.cluster, newPage, func(page *corev1.PersistentVolumeClaimList) {
		for i := range page.Items {
			selected.Insert(client.ObjectKeyFromObject(&page.Items[i]))
		}
	}, client.MatchingLabelsSelector{Selector: selector})
	if err != nil {
		return nil, fmt.Errorf("listing the PersistentVolumeClaims: %w", err)
	}
	return selected, nil
}

// eachPage lists objects of all namespaces and hands them to visit page by page, so that
// they need not all be in memory at a time.
func eachPage[L client.ObjectList](ctx context.Context, cluster Clients, newPage func() L, visit func(L), options ...client.ListOption) error {
	api, err := cluster.Client()
	if err != nil {
		return err
	}
	for next := ""; ; {
		page := newPage()
		if err := api.List(ctx, page, append(slices.Clone(options), client.Limit(pageSize), client.Continue(next))...); err != nil {
			return err
		}
		visit(page)
		if next = page.GetContinue(); next == "" {
			return nil
		}
	}
}
