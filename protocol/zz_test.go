package protocol
import "testing"
func BenchmarkZNet(b *testing.B){
 for _,f:=range []float64{0,.2}{
 b.Run("",func(b *testing.B){
 net:=newTestNet(300,f,Hardened(40),1)
 for range 40 {net.round()}
 b.ReportAllocs(); b.ResetTimer()
 for b.Loop(){net.round()}
 b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*300),"ns/noderound")
 })}
}
