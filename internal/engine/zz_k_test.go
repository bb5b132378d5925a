package engine
import ("testing";"fmt")
func TestZZ(t *testing.T){
 for _,f:=range []string{"cls/mobilenet_v1_0.25_224_keras.h5","cls/flowers_mobilenet_v2_0.35_224_fft.h5","det/st_ssd_mobilenet_v1_0.25_192_person.h5"}{
  m,err:=Open("/work/shared/data/models/"+f,nil)
  if err!=nil{ fmt.Println(f,err); continue}
  fmt.Println(f,m.Info.Spec,m.Info.Rows,m.Info.Recipe,m.Info.Notes,m.Info.Params,m.Info.Labels!=nil)
 }
}
