// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/tree"
)

// A Pod with the label is one of the Cloud Backup client, which registers with the token in its environment.
const (
	clientLabel = "app"
	clientName  = "hbr-client"
	tokenName   = "HBR_TOKEN"
)

// registration is an agent that Cloud Backup knows.
type registration struct{ cluster string }

// environment returns what the containers of a Pod have as variables, by name. They wait for a Secret or a key that is not
// there.
func (r *round) environment(ctx context.Context, p *corev1.Pod) (map[string]string, waiting, error) {
	all := map[string]string{}
	for _, c := range p.Spec.Containers {
		for _, e := range c.Env {
			if e.ValueFrom == nil || e.ValueFrom.SecretKeyRef == nil {
				all[e.Name] = e.Value
				continue
			}
			value, missing, err := r.secretValue(ctx, p.Namespace, e.ValueFrom.SecretKeyRef)
			optional := e.ValueFrom.SecretKeyRef.Optional
			switch {
			case err != nil:
				return nil, waiting{}, err
			case missing == "":
				all[e.Name] = value
			case optional == nil || !*optional:
				return nil, waiting{reasonConfig, missing}, nil
			}
		}
	}
	return all, waiting{}, nil
}

// secretValue returns the value of a key of a Secret, or what is missing in the kubelet's words.
func (r *round) secretValue(ctx context.Context, namespace string, ref *corev1.SecretKeySelector) (value, missing string, err error) {
	secret := &corev1.Secret{}
	err = r.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: ref.Name}, secret)
	if apierrors.IsNotFound(err) {
		return "", fmt.Sprintf("secret %q not found", ref.Name), nil
	}
	if err != nil {
		return "", "", fmt.Errorf("read the secret %s/%s: %w", namespace, ref.Name, err)
	}
	data, ok := secret.Data[ref.Key]
	if !ok {
		return "", fmt.Sprintf("couldn't find key %s in Secret %s/%s", ref.Key, namespace, ref.Name), nil
	}
	return string(data), "", nil
}

// enroll registers the client in a Pod with Cloud Backup, by the token that it was started with. With a token that there
// is not it runs and is unknown.
func (r *round) enroll(p *corev1.Pod, on *machine, environment map[string]string) error {
	known := r.pod(p, on)
	if known.agent != nil {
		return nil
	}
	token := environment[tokenName]
	clusters := r.options.Cloud.HBR().Clusters()
	at := slices.IndexFunc(clusters, func(c hbr.ClusterInfo) bool { return c.Token == token })
	if at < 0 {
		known.agent = &registration{}
		return nil
	}
	files, err := r.container(p, on)
	if err != nil {
		return fmt.Errorf("the file system of the container: %w", err)
	}
	known.agent = &registration{cluster: clusters[at].ID}
	return r.options.Cloud.HBR().AddAgent(hbr.Agent{Cluster: clusters[at].ID, Token: token, Node: on.name, Files: files})
}

// retire takes the client in a Pod out of Cloud Backup.
func (c *Cluster) retire(p *pod) error {
	if p == nil || p.agent == nil {
		return nil
	}
	cluster := p.agent.cluster
	p.agent = nil
	if cluster == "" {
		return nil
	}
	err := c.options.Cloud.HBR().RemoveAgent(cluster, p.node.name)
	if errors.Is(err, hbr.ErrNotFound) {
		return nil // The cluster has gone before.
	}
	return err
}

// container returns the file system that the first container of a Pod sees: what it mounts of the node, and nothing else.
func (r *round) container(p *corev1.Pod, on *machine) (*tree.Machine, error) {
	root, err := r.makeDir("containers", string(p.UID))
	if err != nil {
		return nil, err
	}
	files := tree.NewMachine(root)
	mounts := slices.SortedFunc(slices.Values(p.Spec.Containers[0].VolumeMounts), func(a, b corev1.VolumeMount) int {
		return cmp.Compare(path.Clean(a.MountPath), path.Clean(b.MountPath)) // Outer ones first.
	})
	for _, m := range mounts {
		at := slices.IndexFunc(p.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name && v.HostPath != nil })
		if at < 0 {
			continue
		}
		if _, err := files.Make(m.MountPath); err != nil {
			return nil, err
		}
		if err := bind(files, m, on, p.Spec.Volumes[at].HostPath.Path); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// bind mounts a directory of a node in a container. What the kubelet mounts below it later is seen only where the mount
// propagates.
func bind(files *tree.Machine, m corev1.VolumeMount, on *machine, hostPath string) error {
	if m.MountPropagation != nil && *m.MountPropagation != corev1.MountPropagationNone {
		return files.Bind(m.MountPath, on.files, hostPath)
	}
	dir, err := on.files.Resolve(hostPath)
	if err != nil {
		return err
	}
	return files.Mount(m.MountPath, dir)
}
