// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// mounted is a volume that is mounted for a Pod.
type mounted struct {
	// point is where, on the node. It is empty for what the kubelet only hands on.
	point   string
	content Content
	// handle names the storage. The kubelet takes volumes of one handle for one volume.
	handle string
	// disk says that it can be attached to one node at a time.
	disk bool
}

// Content is the files of a volume.
type Content struct {
	// Dir is the directory that has them.
	Dir string
	// Sync takes what was changed in Dir to where the content is kept, and back. nil where that is Dir.
	Sync func() error
}

func (c Content) flush() error {
	if c.Sync == nil {
		return nil
	}
	return c.Sync()
}

// mountAll mounts the volumes that a Pod's containers mount. What can not be mounted yet, an event tells.
func (r *round) mountAll(ctx context.Context, p *corev1.Pod, on *machine) (ready bool, err error) {
	ready = true
	known := r.pod(p, on)
	for _, v := range p.Spec.Volumes {
		name, obstacle := r.mountVolume(ctx, p, v, known)
		if obstacle == nil {
			continue
		}
		ready = false
		message := fmt.Sprintf("MountVolume.SetUp failed for volume %q : %v", name, obstacle)
		if err := r.warn(ctx, kubelet, podReference(p), reasonFailedMount, message); err != nil {
			return false, err
		}
	}
	return ready, nil
}

// mountVolume mounts a volume of a Pod, unless it is already. The name is that which an event has for it.
func (r *round) mountVolume(ctx context.Context, p *corev1.Pod, v corev1.Volume, known *pod) (name string, err error) {
	if v.HostPath != nil {
		return v.Name, known.node.checkHostPath(v.HostPath)
	}
	pv, err := r.toMount(p, v)
	switch {
	case err != nil || pv == nil:
		return v.Name, err
	case known.has(pv):
		return pv.Name, nil
	}
	if err := r.checkSecret(ctx, p, pv); err != nil {
		return pv.Name, err
	}
	return pv.Name, r.mount(p, pv, known)
}

// checkHostPath says whether a directory of the node is as a Pod wants it, and makes it where the Pod wants that.
func (n *machine) checkHostPath(source *corev1.HostPathVolumeSource) error {
	kind := corev1.HostPathUnset
	if source.Type != nil {
		kind = *source.Type
	}
	if kind == corev1.HostPathUnset || kind == corev1.HostPathDirectoryOrCreate {
		_, err := n.files.Make(source.Path) // Without a type the container runtime makes it.
		return err
	}
	if _, err := n.files.Resolve(source.Path); err != nil {
		return fmt.Errorf("hostPath type check failed: %s is not a %s", source.Path, strings.ToLower(string(kind)))
	}
	return nil
}

func (p *pod) has(pv *corev1.PersistentVolume) bool {
	_, ok := p.mounts[pv.Name]
	return ok
}

// toMount returns the PersistentVolume of a Pod's volume, nil where the kubelet mounts none: it mounts what containers do,
// as a whole.
func (r *round) toMount(p *corev1.Pod, v corev1.Volume) (*corev1.PersistentVolume, error) {
	name := claimName(p, v)
	if name == "" || !used(p, v.Name) {
		return nil, nil
	}
	claim := r.claim(p.Namespace, name)
	if claim == nil || claim.Status.Phase != corev1.ClaimBound {
		return nil, fmt.Errorf("the claim %s is not bound", name)
	}
	pv := r.volume(claim.Spec.VolumeName)
	if pv == nil {
		return nil, fmt.Errorf("there is no PersistentVolume %s", claim.Spec.VolumeName)
	}
	return pv, nil
}

// used says whether a container of a Pod mounts a volume of it or uses its device.
func used(p *corev1.Pod, volume string) bool {
	containers := append(append([]corev1.Container{}, p.Spec.InitContainers...), p.Spec.Containers...)
	for _, c := range containers {
		for _, m := range c.VolumeMounts {
			if m.Name == volume {
				return true
			}
		}
		for _, d := range c.VolumeDevices {
			if d.Name == volume {
				return true
			}
		}
	}
	return false
}

// checkSecret says whether the Secret is there that a plug-in gets with a volume.
func (r *round) checkSecret(ctx context.Context, p *corev1.Pod, pv *corev1.PersistentVolume) error {
	var key client.ObjectKey
	switch {
	case pv.Spec.CSI != nil && pv.Spec.CSI.NodePublishSecretRef != nil:
		ref := pv.Spec.CSI.NodePublishSecretRef
		key = client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}
	case pv.Spec.FlexVolume != nil && pv.Spec.FlexVolume.SecretRef != nil:
		key = client.ObjectKey{Namespace: p.Namespace, Name: pv.Spec.FlexVolume.SecretRef.Name}
		if ref := pv.Spec.FlexVolume.SecretRef; ref.Namespace != "" {
			key.Namespace = ref.Namespace
		}
	default:
		return nil
	}
	err := r.client.Get(ctx, key, &corev1.Secret{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("couldn't get secret %s: %w", key, err)
	}
	return err
}

// mount mounts a volume for a Pod.
func (r *round) mount(p *corev1.Pod, pv *corev1.PersistentVolume, known *pod) error {
	if r.faults.Mount != nil {
		if err := r.faults.Mount(p, pv); err != nil {
			return err
		}
	}
	m := mounted{handle: handleOf(pv), disk: diskID(pv) != ""}
	if err := r.conflict(known, pv, m); err != nil {
		return err
	}
	if pv.Spec.VolumeMode != nil && *pv.Spec.VolumeMode == corev1.PersistentVolumeBlock || pv.Spec.HostPath != nil {
		known.mounts[pv.Name] = m
		return nil
	}
	below, err := directoryOf(pv)
	if err != nil {
		return err
	}
	if m.content, err = r.contentOn(known.node, pv); err != nil {
		return err
	}
	m.point = path.Join(known.dir, "volumes", below)
	if _, err := known.node.files.Make(m.point); err != nil {
		return err
	}
	if err := known.node.files.Mount(m.point, m.content.Dir); err != nil {
		return err
	}
	known.mounts[pv.Name] = m
	return nil
}

// conflict says why a volume can not be mounted beside what is: it is attached elsewhere, or the kubelet of the node has
// another PersistentVolume of the same handle, and waits until that is unmounted.
func (r *round) conflict(known *pod, pv *corev1.PersistentVolume, m mounted) error {
	for _, other := range r.Cluster.pods {
		for name, has := range other.mounts {
			switch {
			case m.handle == "" || has.handle != m.handle:
			case m.disk && other.node != known.node:
				return fmt.Errorf("Multi-Attach error for volume %q: it is attached to the node %s", pv.Name, other.node.name)
			case other.node == known.node && name != pv.Name:
				return fmt.Errorf("its volume handle is that of the volume %s, which is mounted", name)
			}
		}
	}
	return nil
}

// handleOf names the storage of a volume of CSI, "" for others.
func handleOf(pv *corev1.PersistentVolume) string {
	if pv.Spec.CSI == nil {
		return diskID(pv)
	}
	return pv.Spec.CSI.Driver + "^" + pv.Spec.CSI.VolumeHandle
}

// directoryOf is where the kubelet mounts a volume, below the directory of a Pod's volumes.
func directoryOf(pv *corev1.PersistentVolume) (string, error) {
	switch {
	case pv.Spec.CSI != nil:
		return path.Join("kubernetes.io~csi", pv.Name, "mount"), nil
	case pv.Spec.FlexVolume != nil:
		return path.Join(strings.ReplaceAll(pv.Spec.FlexVolume.Driver, "/", "~"), pv.Name), nil
	case pv.Spec.NFS != nil:
		return path.Join("kubernetes.io~nfs", pv.Name), nil
	case pv.Spec.Local != nil:
		return path.Join("kubernetes.io~local-volume", pv.Name), nil
	default:
		return "", errors.New("the plug-in is not simulated")
	}
}

// contentOn returns the files of a volume that a node mounts.
func (r *round) contentOn(on *machine, pv *corev1.PersistentVolume) (Content, error) {
	if r.options.Volume != nil {
		return r.options.Volume(pv)
	}
	if pv.Spec.Local == nil {
		return r.storage.open(pv)
	}
	dir, err := on.files.Resolve(pv.Spec.Local.Path)
	return Content{Dir: dir}, err
}
