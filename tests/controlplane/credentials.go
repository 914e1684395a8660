// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// certificateLife is longer than any control plane of this package runs.
const certificateLife = 7 * 24 * time.Hour

// writeServingCertificate writes a certificate for the loopback address, signed by itself, and its key. It returns the
// certificate in PEM, which clients take as their certificate authority.
func writeServingCertificate(certificateFile, keyFile string) ([]byte, error) {
	key, err := writePrivateKey(keyFile)
	if err != nil {
		return nil, fmt.Errorf("making the kube-apiserver's key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "kube-apiserver"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(certificateLife),
		IPAddresses:           []net.IP{net.ParseIP(loopback)},
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making the kube-apiserver's certificate: %w", err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(certificateFile, certificate, 0o600); err != nil {
		return nil, fmt.Errorf("writing the kube-apiserver's certificate: %w", err)
	}
	return certificate, nil
}

// writeSigningKey writes the key that signs service account tokens.
func writeSigningKey(file string) error {
	if _, err := writePrivateKey(file); err != nil {
		return fmt.Errorf("making the key of service account tokens: %w", err)
	}
	return nil
}

// writeAdminToken writes a static token file (kube-apiserver's --token-auth-file: token, user, uid, groups) with an
// administrator's token, which it returns.
func writeAdminToken(file string) (string, error) {
	token := rand.Text()
	line := token + `,admin,admin,"system:masters"` + "\n"
	if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
		return "", fmt.Errorf("writing the administrator's token: %w", err)
	}
	return token, nil
}

// writePrivateKey makes an ECDSA key and writes it in PEM.
func writePrivateKey(file string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	return key, os.WriteFile(file, block, 0o600)
}
